import t from 'tap';
import { DEFAULT_LIMITS, type HttpLimits } from '../../../../sidecar/http/limits.js';
import { BOUND_FLAGS, limitsOf } from '../../../../src/cli/commands/sidecar-bounds.js';

const KEYS = Object.keys(DEFAULT_LIMITS) as (keyof HttpLimits)[];

t.test('every bound is a flag, with the same default', async (t) => {
  t.strictSame(Object.keys(BOUND_FLAGS).sort(), [...KEYS].sort());
  for (const key of KEYS) t.equal(BOUND_FLAGS[key].parse(BOUND_FLAGS[key].default), DEFAULT_LIMITS[key], key);
});

t.test('every flag reaches the bound that it is named for, and nothing else comes along', async (t) => {
  const values = Object.fromEntries(KEYS.map((key, i) => [key, i + 1])) as unknown as HttpLimits;
  t.strictSame(limitsOf({ ...values, other: 1 } as HttpLimits), values);
});

t.test('refuses bounds with which nothing would work', async (t) => {
  const wrong = {
    maxHeadBytes: ['0', '1023', '-1', '64k'],
    maxFields: ['0', '9'],
    maxTrailerBytes: ['0'],
    maxConnections: ['0'],
    maxInterimResponses: ['0'],
    headTimeoutMs: ['10', 'soon'],
  } as const;
  for (const [key, values] of Object.entries(wrong))
    for (const value of values)
      t.throws(() => BOUND_FLAGS[key as keyof HttpLimits].parse(value), /^is not a/, `${key} ${value}`);
});
