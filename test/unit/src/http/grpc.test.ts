import t from 'tap';
import {
  formatGrpcTimeout,
  isGrpcContentType,
  isGrpcError,
  parseGrpcStatus,
  parseGrpcTimeout,
} from '../../../../src/http/grpc.js';

t.test('gRPC is known by its content type; gRPC-Web and Connect have their own', async (t) => {
  for (const type of ['application/grpc', 'application/grpc+proto', 'Application/gRPC;charset=x'])
    t.ok(isGrpcContentType(type), type);
  for (const type of [
    undefined,
    '',
    'application/grpc-web',
    'application/grpcx',
    'application/connect+proto',
  ])
    t.notOk(isGrpcContentType(type), String(type));
});

t.test('a timeout is up to eight digits and a unit', async (t) => {
  for (const [value, ms] of [
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3000],
    ['4m', 4],
    ['5000u', 5],
    ['6000000n', 6],
    ['99999999H', 359_999_996_400_000],
    ['0S', 1],
    ['1n', 1],
  ] as const)
    t.equal(parseGrpcTimeout(value), ms, value);
  for (const value of ['', '1', 'S', '-1S', '1s', '1.5S', '100000000m', ' 1S', '1S '])
    t.equal(parseGrpcTimeout(value), undefined, JSON.stringify(value));
});

t.test('a timeout is written with no more digits than the protocol allows, and never longer', async (t) => {
  for (const [ms, value] of [
    [1, '1m'],
    [0.5, '1m'],
    [1500.9, '1500m'],
    [99_999_999, '99999999m'],
    [100_000_999, '100000S'],
    [100_000_000_000, '1666666M'],
    [1e18, '99999999H'],
  ] as const) {
    t.equal(formatGrpcTimeout(ms), value);
    if (ms >= 1) t.ok((parseGrpcTimeout(value) as number) <= ms, value);
  }
});

t.test('what is not a status is unknown; those of the server count as errors', async (t) => {
  t.same(['0', '16', '17', '-1', '', '099', 'OK'].map(parseGrpcStatus), [0, 16, 2, 2, 2, 2, 2]);
  const errors = Array.from({ length: 17 }, (_, status) => status).filter(isGrpcError);
  t.same(errors, [2, 4, 12, 13, 14, 15]);
});
