import t from 'tap';
import type { FailureKind } from '../../../../sidecar/http/upstream-failure.js';
import { backOffMs, retriesFailure, retriesStatus } from '../../../../sidecar/outbound/retry.js';
import { IDEMPOTENT_METHODS } from '../../../../src/http/methods.js';
import type { RetryCondition, RetryConfig } from '../../../../src/xds/retry.js';

function policy(
  on: readonly RetryCondition[],
  statuses: readonly number[] = [],
  methods?: readonly string[],
): RetryConfig {
  return {
    retries: 1,
    on: new Set(on),
    statuses: new Set(statuses),
    methods: methods === undefined ? IDEMPOTENT_METHODS : new Set(methods),
    perTryTimeoutMs: 0,
    backOffBaseMs: 25,
    backOffMaxMs: 250,
  };
}

t.test('each failure is retried under the conditions that name it', async (t) => {
  t.notOk(retriesFailure(policy(['5xx']), 'overloaded', 'GET'));
  const kinds: readonly FailureKind[] = [
    'connect',
    'stale',
    'reset',
    'timeout',
    'broken-response',
    'bad-response',
  ];
  for (const [retry, retried] of [
    [undefined, ['stale']],
    [policy(['connect-failure']), ['connect', 'stale']],
    [policy(['reset']), ['stale', 'reset', 'timeout']],
    [policy(['gateway-error']), kinds],
    [policy(['5xx']), kinds],
    [policy([], [504]), ['stale', 'timeout']],
    [policy([], [503]), ['stale']],
  ] as const)
    t.strictSame(
      kinds.filter((kind) => retriesFailure(retry, kind, 'GET')),
      retried,
      JSON.stringify([...(retry?.on ?? []), ...(retry?.statuses ?? [])]),
    );
});

t.test(
  'only idempotent requests are sent twice (RFC 9110 section 9.2.2), unless the route says which',
  async (t) => {
    const methods = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'POST', 'PATCH', 'get', 'CUSTOM'];
    const idempotent = methods.slice(0, 6);
    const all = policy(['5xx'], [503]);
    const chosen = policy(['5xx'], [503], ['POST', 'CUSTOM']);
    for (const kind of ['stale', 'reset', 'timeout'] as const) {
      t.strictSame(
        methods.filter((method) => retriesFailure(all, kind, method)),
        idempotent,
        kind,
      );
      t.strictSame(
        methods.filter((method) => retriesFailure(chosen, kind, method)),
        ['POST', 'CUSTOM'],
        kind,
      );
    }
    t.strictSame(
      methods.filter((method) => retriesStatus(all, 503, method)),
      idempotent,
    );
    t.strictSame(
      methods.filter((method) => retriesStatus(chosen, 503, method)),
      ['POST', 'CUSTOM'],
    );
    t.strictSame(
      methods.filter((method) => retriesFailure(chosen, 'connect', method)),
      methods,
      'nothing was sent: any request may go elsewhere',
    );
    const whatever = { ...all, methods: undefined };
    t.strictSame(
      methods.filter((method) => retriesStatus(whatever, 503, method)),
      methods,
      'another control plane that says nothing of methods means all of them, as with Envoy',
    );
    t.strictSame(
      methods.filter((method) => retriesFailure(whatever, 'stale', method)),
      idempotent,
      'which it does not say of what is no retry of its policy',
    );
  },
);

t.test('statuses are retried as the conditions say', async (t) => {
  const statuses = [200, 404, 429, 500, 501, 502, 503, 504, 599];
  for (const [retry, retried] of [
    [undefined, []],
    [policy(['connect-failure', 'reset']), []],
    [policy(['gateway-error']), [502, 503, 504]],
    [policy(['5xx']), [500, 501, 502, 503, 504, 599]],
    [policy([], [429]), [429]],
  ] as const)
    t.strictSame(
      statuses.filter((status) => retriesStatus(retry, status, 'GET')),
      retried,
    );
});

t.test('waits grow, and stay below their bound', async (t) => {
  const retry = policy(['5xx']);
  t.strictSame(
    [1, 2, 3, 4, 5].map((n) => backOffMs(retry, n, () => 0.999999)),
    [24, 74, 174, 249, 249],
  );
  t.equal(
    backOffMs(retry, 3, () => 0),
    0,
  );
});
