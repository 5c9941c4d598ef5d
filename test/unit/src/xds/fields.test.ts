import t from 'tap';
import { LONGEST_TIMER_MS } from '../../../../src/model/formats.js';
import { Problems, readAge, readDuration } from '../../../../src/xds/fields.js';
import { readHashPolicy } from '../../../../src/xds/hash-policy.js';

function read(reader: typeof readDuration, value: object | undefined, leastMs?: number) {
  const problems = new Problems();
  return { ms: reader(value, 'timeout', problems, leastMs), found: problems.found };
}

t.test('what is waited for is never longer than a timer lasts', async (t) => {
  t.strictSame(read(readDuration, undefined), { ms: undefined, found: [] });
  t.strictSame(read(readDuration, { seconds: 1, nanos: 500_000_000 }), { ms: 1500, found: [] });
  for (const seconds of [2_147_484, 4_294_968, 315_576_000_000]) {
    const { ms, found } = read(readDuration, { seconds });
    t.equal(ms, LONGEST_TIMER_MS, `${seconds} s`);
    t.strictSame(found, [], 'as good as no limit, so it is no mistake');
  }
  t.ok(LONGEST_TIMER_MS < 2 ** 31, 'beyond which timers of Node fire at once');
});

t.test('what is only counted is as long as it says', async (t) => {
  t.strictSame(read(readAge, { seconds: 315_576_000_000 }), { ms: 315_576_000_000_000, found: [] });
});

t.test('what is not a duration is refused', async (t) => {
  for (const reader of [readDuration, readAge]) {
    t.match(read(reader, { seconds: -1 }).found, [/^timeout: -1 s is not a duration .* the least is 0 s$/]);
    t.match(read(reader, {}, 1).found, [/^timeout: 0 s .* the least is 0\.001 s$/]);
    t.match(read(reader, { seconds: 315_576_000_001 }).found, [/the most is 10,000 years$/]);
  }
});

t.test('a cookie with a negative age is refused', async (t) => {
  const problems = new Problems();
  readHashPolicy({ cookie: { name: 'sid', ttl: { seconds: -5 } } }, 'hash_policy[0]', problems);
  t.match(problems.found, [/^hash_policy\[0\]\.cookie\.ttl: -5 s is not a duration/]);
});
