import t from 'tap';
import { hashSlot } from '../../../../../sidecar/session/store/redis-commands.js';

/** As `CLUSTER KEYSLOT` of Redis 7 says them; 123456789 has the check value of CRC16/XMODEM, 0x31c3. */
const SLOTS = { '123456789': 0x31c3 % 16_384, foo: 12_182, somekey: 11_058, '': 0 };

t.test('the slot of a key is the one that a cluster has for it', async (t) => {
  for (const [key, slot] of Object.entries(SLOTS)) t.equal(hashSlot(key), slot, key);
});
