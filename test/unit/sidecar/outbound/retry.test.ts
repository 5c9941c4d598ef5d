import t from 'tap';
import { backOffMs, retriesFailure, retriesStatus } from '../../../../sidecar/outbound/retry.js';
import type { FailureKind } from '../../../../sidecar/upstream/failure.js';
import type { RetryCondition, RetryConfig } from '../../../../src/xds/route.js';

function policy(on: readonly RetryCondition[], statuses: readonly number[] = []): RetryConfig {
  return {
    retries: 2,
    on: new Set(on),
    statuses: new Set(statuses),
    perTryTimeoutMs: 0,
    backOffBaseMs: 25,
    backOffMaxMs: 250,
  };
}

t.test('which failures each condition covers', async (t) => {
  const kinds: FailureKind[] = ['connect', 'stale', 'reset', 'timeout', 'bad-response', 'overloaded'];
  const covered = (retry: RetryConfig | undefined, method = 'GET') =>
    kinds.filter((kind) => retriesFailure(retry, kind, method)).join(' ');
  t.equal(covered(undefined), 'stale', 'a connection that died in the pool, whatever the policy');
  t.equal(covered(policy(['connect-failure'])), 'connect stale');
  t.equal(covered(policy(['reset'])), 'stale reset timeout', 'no answer in one try’s time is no answer');
  t.equal(covered(policy(['gateway-error'])), 'connect stale reset timeout bad-response');
  t.equal(covered(policy(['5xx'])), 'connect stale reset timeout bad-response');
  t.equal(covered(policy([], [503])), 'stale');
  t.equal(covered(policy(['5xx']), 'POST'), 'connect', 'nothing of the request has been seen');
  t.equal(covered(undefined, 'POST'), '');
});

t.test('which statuses each condition covers', async (t) => {
  const statuses = [200, 404, 429, 500, 501, 502, 503, 504];
  const covered = (retry: RetryConfig | undefined, method = 'GET') =>
    statuses.filter((status) => retriesStatus(retry, status, method)).join(' ');
  t.equal(covered(undefined), '');
  t.equal(covered(policy(['connect-failure', 'reset'])), '');
  t.equal(covered(policy(['gateway-error'])), '502 503 504');
  t.equal(covered(policy(['5xx'])), '500 501 502 503 504');
  t.equal(covered(policy([], [429, 503])), '429 503');
  t.equal(covered(policy(['5xx'], [429]), 'POST'), '');
});

t.test('back-off: a random time below (2^n − 1) × base, and below the maximum', async (t) => {
  const retry = policy([]);
  const longest = [1, 2, 3, 4, 5, 9].map((n) => backOffMs(retry, n, () => 1 - Number.EPSILON));
  t.strictSame(longest, [24, 74, 174, 249, 249, 249]);
  t.equal(
    backOffMs(retry, 5, () => 0),
    0,
  );
  t.equal(
    backOffMs(retry, 2, () => 0.5),
    37,
  );
});
