import t from 'tap';
import { durationBetween, durationMs } from '../../../../src/cli/flags.js';
import { durationProblem, parseDuration } from '../../../../src/model/formats.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { formatProblem, InvalidResourceError } from '../../../../src/model/problems.js';

const SPLIT = [{ version: 'v1', weight: 1 }];

function problemsOf(spec: object): string[] {
  try {
    parseMeshService({
      apiVersion: 'roost.dev/v1alpha1',
      kind: 'MeshService',
      metadata: { name: 'checkout', namespace: 'shop' },
      spec: { port: 8080, versions: [{ name: 'v1', endpoints: [{ address: '10.0.0.1:80' }] }], ...spec },
    });
  } catch (error) {
    if (error instanceof InvalidResourceError) return error.problems.map(formatProblem);
    throw error;
  }
  return [];
}

/** A specification with one value at a path such as `limits.requests`; lists are written `routes[]`. */
function specWith(path: string, value: unknown): object {
  const [step, ...rest] = path.split('.') as [string, ...string[]];
  const inner = rest.length === 0 ? value : specWith(rest.join('.'), value);
  const [name, list] = step.split('[');
  return { [name as string]: list === undefined ? inner : [inner] };
}

function withRoute(field: string, value: unknown): object {
  return { routes: [{ name: 'all', split: SPLIT, ...specWith(field, value) }] };
}

const COUNTS = [
  'health.healthyThreshold',
  'health.unhealthyThreshold',
  'outlier.consecutiveErrors',
  'outlier.successRate.minimumHosts',
  'outlier.successRate.requestVolume',
  'limits.connections',
  'limits.pending',
  'limits.requests',
  'limits.retries',
  'limits.retryBudget.minimum',
  'limits.perEndpoint.connections',
  'limits.perEndpoint.requests',
];

t.test('no count goes past what 32 bits hold', async (t) => {
  for (const path of COUNTS) {
    t.strictSame(problemsOf(specWith(path, 1_000_000_000)), [], path);
    for (const value of [1_000_000_001, 4_294_967_296, 1e300, 1.5, -1, Number.POSITIVE_INFINITY, Number.NaN])
      t.match(problemsOf(specWith(path, value)).join('\n'), `spec.${path}: `, `${path}: ${value}`);
  }
});

t.test('a count says its bounds', async (t) => {
  t.strictSame(problemsOf({ limits: { requests: 4_294_967_296 } }), [
    'spec.limits.requests: 4294967296 must be a whole number from 1 to 1000000000',
  ]);
});

t.test('every other number has bounds, too', async (t) => {
  const wrong: [object, RegExp][] = [
    [withRoute('retries.attempts', 4_294_967_296), /retries\.attempts: .*from 0 to 10$/],
    [withRoute('mirror', { version: 'v1', percent: 100.1 }), /mirror\.percent: .*0 to 100/],
    [
      withRoute('mirror', { version: 'v1', percent: 0.00001 }),
      /mirror\.percent: .*least above 0 is 0\.0001$/,
    ],
    [withRoute('fault.abort.status', 1000), /abort\.status: .*200 to 599$/],
    [{ outlier: { successRate: { stdevFactor: 4_294_968 } } }, /stdevFactor: .*from 0 to 1000$/],
    [{ outlier: { maxEjectionPercent: 101 } }, /maxEjectionPercent: .*0 to 100/],
    [{ port: 65_536 + 80 }, /spec\.port: .*1 to 65535/],
    [
      { routes: [{ name: 'a', split: [{ version: 'v1', weight: 4_294_967_297 }] }] },
      /weight: .*at most 1000000/,
    ],
    [
      { versions: [{ name: 'v1', endpoints: [{ address: '10.0.0.1:80', weight: 4_294_967_297 }] }] },
      /weight: .*from 1 to 1000$/,
    ],
  ];
  for (const [spec, expected] of wrong) t.match(problemsOf(spec).join('\n'), expected, JSON.stringify(spec));
});

/** What is waited for, and whether it may be none at all. */
const TIMES: [string, (value: string) => object, mayBeNone: boolean][] = [
  ...['health.interval', 'health.timeout', 'outlier.interval', 'outlier.baseEjectionTime'].map(inSpec(false)),
  ...['outlier.maxEjectionTime', 'timeouts.connect'].map(inSpec(false)),
  ...['timeouts.request', 'timeouts.idle', 'slowStart'].map(inSpec(true)),
  ...['timeout', 'idleTimeout'].map(inRoute(true)),
  ['retries.perTryTimeout', (value) => withRoute('retries', { attempts: 1, perTryTimeout: value }), true],
  ['fault.delay.duration', (value) => withRoute('fault.delay', { duration: value }), false],
  [
    'affinity.failoverRepin',
    (value) => ({ affinity: { key: [{ header: 'a' }], failoverRepin: value } }),
    true,
  ],
];

function inSpec(mayBeNone: boolean) {
  return (path: string): [string, (value: string) => object, boolean] => [
    path,
    (value) => specWith(path, value),
    mayBeNone,
  ];
}

function inRoute(mayBeNone: boolean) {
  return (path: string): [string, (value: string) => object, boolean] => [
    path,
    (value) => withRoute(path, value),
    mayBeNone,
  ];
}

t.test('nothing waits for longer than a timer lasts', async (t) => {
  for (const [path, of] of TIMES) {
    t.strictSame(problemsOf(of('576h')), [], path);
    for (const value of ['577h', '2147483648ms', '4294967296s', '9'.repeat(400).concat('h')])
      t.match(problemsOf(of(value)), [new RegExp(`${path}: .* is too long; the most is 576h$`)], path);
  }
});

t.test('what cannot be none is at least a millisecond', async (t) => {
  for (const [path, of, mayBeNone] of TIMES) {
    if (mayBeNone) t.strictSame(problemsOf(of('0s')), [], path);
    else t.match(problemsOf(of('0s')), [new RegExp(`${path}: "0s" is too short; the least is 1ms$`)], path);
    t.match(problemsOf(of('1.5ms')), [/finer than a millisecond/], path);
  }
});

t.test('cookies and memories may last for decades, of which no timer is made', async (t) => {
  const affinity = (more: object) => ({ affinity: { key: [{ header: 'a' }], ...more } });
  const cookie = (ttl: string) => affinity({ key: [{ cookie: { name: 'sid', ttl } }] });
  for (const ttl of ['9600h', '438000h']) {
    t.strictSame(problemsOf(affinity({ ttl })), []);
    t.strictSame(problemsOf(cookie(ttl)), []);
  }
  t.strictSame(problemsOf(cookie('0s')), [], 'a cookie of the browser session');
  t.match(problemsOf(affinity({ ttl: '438001h' })), [/affinity\.ttl: .* is too long; the most is 438000h$/]);
  t.match(problemsOf(affinity({ ttl: '0s' })), [/affinity\.ttl: .* is too short; the least is 1s$/]);
  t.match(problemsOf(cookie('1000000h')), [/cookie\.ttl: .* is too long/]);
});

t.test('fractions of a unit come out in whole milliseconds', async (t) => {
  t.equal(parseDuration('1.1s'), 1100);
  t.equal(parseDuration('2.3h'), 8_280_000);
  t.equal(parseDuration('0.0023h'), 8280);
  t.equal(durationProblem('0.0023h', '0s', '1h'), undefined);
});

t.test('flags have the same bounds', async (t) => {
  t.equal(durationMs('576h'), 2_073_600_000);
  t.throws(() => durationMs('25d'), /is not a duration/);
  t.throws(() => durationMs('597h'), /is too long; the most is 576h/);
  t.throws(() => durationMs('0.5ms'), /finer than a millisecond/);
  t.throws(() => durationBetween('1ms', '10m')('0s'), /is too short; the least is 1ms/);
  t.throws(() => durationBetween('1ms', '10m')('601s'), /is too long; the most is 10m/);
});

t.test('texts that an Envoy would refuse are refused', async (t) => {
  const matching = (match: object) => problemsOf({ routes: [{ name: 'a', match: [match], split: SPLIT }] });
  t.match(matching({ path: { regex: '' } }), [/path\.regex: .*is empty/]);
  for (const regex of ['\\x{1F600}', 'a\\\\\\x{100}'])
    t.match(matching({ path: { regex } }), [/has an escape beyond \\x\{ff\}/], regex);
  for (const regex of ['\\x{ff}', '\\x{0041}', '\\\\x{100}'])
    t.strictSame(matching({ path: { regex } }), [], regex);
  t.match(matching({ query: [{ name: 'é'.repeat(513), present: true }] }), [
    /name: .*longer than 1024 bytes/,
  ]);
  const set = (headers: object) => problemsOf(withRoute('headers.request.set', headers));
  t.match(set({ 'x-a': 'a'.repeat(16_385) }), [/longer than 16384 characters/]);
  const many = Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`x-${i}`, 'a']));
  t.match(set(many), [/changes more than 1000 headers/]);
  t.match(matching({ path: { prefix: '/\ud83d' } }), [/prefix: has half of a character/]);
  t.strictSame(matching({ path: { prefix: '/\ud83d\ude00' } }), []);
});
