import t from 'tap';
import { halfSipHash, newHashKey } from '../../../../src/hashing/half-siphash.js';

t.test('is HalfSipHash-2-4', async (t) => {
  // The authors' vector for the bytes 00 to 07 under the key 00 to 07: d0 b8 84 8f.
  t.equal(halfSipHash(0x07060504, 0x03020100, [0x03020100, 0x07060504]), 0x8f84b8d0);
});

t.test('another key, another place', async (t) => {
  t.notSame(newHashKey(), newHashKey());
  const places = new Set(Array.from({ length: 1000 }, () => halfSipHash(1, 2, newHashKey())));
  t.ok(places.size > 990);
});
