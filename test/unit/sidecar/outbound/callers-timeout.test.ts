import t from 'tap';
import { parseRequestTimeout, withCallersTimeout } from '../../../../sidecar/outbound/callers-timeout.js';
import { headOf, parseRequest } from '../../../support/http1/heads.js';

t.test('milliseconds, or a duration as Go and Envoy write it', async (t) => {
  for (const [value, expected] of [
    ['250', 250],
    ['0250', 250],
    ['250ms', 250],
    ['1.5s', 1500],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['1h2m3.5s', 3_723_500],
    ['500us', 0.5],
    ['1000000ns', 1],
    ['9999999999', 9_999_999_999],
  ] as const)
    t.equal(parseRequestTimeout(value), expected, value);
});

t.test('anything else is not a time limit', async (t) => {
  for (const value of [
    '',
    '0',
    '0s',
    '0.0ms',
    '-1',
    '+1',
    '1.5',
    '.5s',
    '1.s',
    '1e3',
    '1 s',
    ' 1s',
    '1S',
    '1d',
    's',
    '1s,2s',
    '1, 2',
    '0x10',
    'Infinity',
    '99999999999',
    '1s'.repeat(50),
  ])
    t.equal(parseRequestTimeout(value), undefined, JSON.stringify(value));
});

t.test('the lower limit counts, and nothing is made where the route’s stays', async (t) => {
  const route = { requestMs: 1000, perTryMs: 7, idleMs: 9 };
  const request = (...fields: string[]) => parseRequest(headOf('GET / HTTP/1.1', 'Host: a', ...fields));
  const limits = (...fields: string[]) => withCallersTimeout(route, request(...fields));
  t.same(limits('X-Request-Timeout: 500'), { requestMs: 500, perTryMs: 7, idleMs: 9 });
  for (const fields of [[], ['x-request-timeout: 2s'], ['x-request-timeout: soon']])
    t.equal(limits(...fields), route, fields.join());
  t.equal(limits('x-request-timeout: 5', 'x-request-timeout: 6'), route, 'two limits are none');
  const none = { requestMs: 0, perTryMs: 0, idleMs: 0 };
  t.equal(withCallersTimeout(none, request('x-request-timeout: 2s')).requestMs, 2000);
});
