import t from 'tap';
import {
  grpcTimeoutLeft,
  parseRequestTimeout,
  withCallersTimeout,
} from '../../../../sidecar/outbound/callers-timeout.js';
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

t.test('a gRPC call has the deadline of its client, which other requests do not', async (t) => {
  const route = { requestMs: 1000, perTryMs: 0, idleMs: 0 };
  const request = parseRequest(headOf('POST / HTTP/1.1', 'Host: a', 'grpc-timeout: 500m'));
  t.equal(withCallersTimeout(route, request), route);
  const isGrpc = { isGrpc: true } as const;
  const call = (...fields: string[]) =>
    Object.assign(parseRequest(headOf('POST / HTTP/1.1', 'Host: a', ...fields)), isGrpc);
  for (const [fields, expected] of [
    [['grpc-timeout: 500m'], 500],
    [['grpc-timeout: 2S'], 1000],
    [['grpc-timeout: 500m', 'x-request-timeout: 400ms'], 400],
    [['grpc-timeout: 0m'], 1],
    [['grpc-timeout: soon'], 1000],
    [['grpc-timeout: 1m', 'grpc-timeout: 2m'], 1000],
  ] as const)
    t.equal(withCallersTimeout(route, call(...fields)).requestMs, expected, fields.join());
});

t.test('a gRPC call goes on with the time that is left, at most that of one try', async (t) => {
  const limits = (requestMs: number, perTryMs: number) => ({ requestMs, perTryMs, idleMs: 0 });
  for (const [requestMs, perTryMs, spentMs, expected] of [
    [0, 0, 5, undefined],
    [0, 200, 5, '200m'],
    [1000, 0, 400, '600m'],
    [1000, 200, 400, '200m'],
    [1000, 700, 400, '600m'],
    [1000, 0, 2000, '1m'],
  ] as const)
    t.equal(
      grpcTimeoutLeft(limits(requestMs, perTryMs), spentMs),
      expected,
      `${[requestMs, perTryMs, spentMs]}`,
    );
});
