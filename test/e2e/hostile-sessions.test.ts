import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import {
  type FastAnswer,
  FastCaller,
  type FastRequest,
  type NamedBackend,
  startBackends,
} from '../support/fast-traffic.js';
import { residentBytes } from '../support/memory.js';
import { eventually, startControlPlane, startSidecar } from '../support/processes.js';

/**
 * What clients may put where a session key or a pin is read: cookies, baggage, headers and queries that are
 * broken, huge, doubled, empty, forged or no text at all. They are treated as the semantics say (S3, S6), and no
 * answer is a 5xx.
 */

const MIB = 1024 * 1024;
const persistent = { version: 'persistent', endpoint: 'persistent' };

/** Services that share backends and release names, so that a pin of one would fit another if it were taken. */
const SERVICES = {
  cookie: { key: [{ cookie: 'sid' }], split: { v1: 50, v2: 50 } },
  other: { key: [{ cookie: 'sid' }], split: { v1: 50, v2: 50 } },
  drained: { key: [{ cookie: 'sid' }], split: { v1: 100, v2: 0 } },
  header: { key: [{ header: 'x-user-id' }], split: { v1: 50, v2: 50 } },
  baggage: { key: [{ baggage: 'user' }], split: { v1: 50, v2: 50 } },
  query: { key: [{ query: 'user' }], split: { v1: 50, v2: 50 } },
} as const;
type Host = keyof typeof SERVICES;

const { caller, pid } = await startWorld();

async function startWorld() {
  const backends = await startBackends(t, { v1: 3, v2: 3 });
  const config = join(t.testdir(), 'services.yaml');
  const documents = Object.entries(SERVICES).map(([name, { key, split }]) => ({
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name, namespace: 'shop' },
    spec: {
      port: 8080,
      versions: [...backends].map(([version, pods]) => ({ name: version, endpoints: addressesOf(pods) })),
      routes: [
        { name: 'default', split: Object.entries(split).map(([version, weight]) => ({ version, weight })) },
      ],
      affinity: { key, ...persistent },
    },
  }));
  writeFileSync(config, documents.map((document) => stringify(document)).join('---\n'));
  const { grpc } = await startControlPlane(t, ['--config', config]);
  const sidecar = await startSidecar(t, ['--service', 'frontend.shop', '--control-plane', grpc]);
  await eventually(
    'the sidecar is ready',
    async () => (await fetch(`http://${sidecar.admin}/ready`)).status === 200,
  );
  return { caller: new FastCaller(t, sidecar.outbound), pid: Number(sidecar.process.child.pid) };
}

function addressesOf(pods: readonly NamedBackend[]): { address: string }[] {
  return pods.map(({ address }) => ({ address }));
}

type Header = readonly [name: string, value: string];

function call(host: Host, headers: readonly Header[] = [], path = '/'): Promise<FastAnswer> {
  return caller.one({ host: `${host}.shop`, headers, path });
}

const withCookie = (host: Host, cookie: string) => call(host, [['Cookie', cookie]]);
const releaseOf = ({ body }: FastAnswer) => body.split('-')[0];
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

/** A new session's cookie, `KEY.PIN`, on a release of one's choice. */
async function newSession(host: Host, release: string): Promise<{ value: string; backend: string }> {
  for (;;) {
    const answer = await call(host);
    if (releaseOf(answer) === release) return { value: cookieValueOf(answer), backend: answer.body };
  }
}

function cookieValueOf({ setCookie }: FastAnswer): string {
  return /^sid=([^;]*)/.exec(setCookie ?? '')?.[1] ?? '';
}

/** The same request again and again reaches one backend. */
async function sticks(t: Test, request: FastRequest): Promise<string> {
  const answers = await caller.all(numbers(12).map(() => request));
  const places = new Set(answers.map(({ status, body }) => `${status} ${body}`));
  t.equal(places.size, 1, [...places].join());
  t.match([...places][0], /^200 v/);
  return answers[0]?.body ?? '';
}

/** The same request again and again reaches many: it belongs to no session. By chance, 60 times one of 6: never. */
async function spreads(t: Test, request: FastRequest): Promise<void> {
  const answers = await caller.all(numbers(60).map(() => request));
  t.same(new Set(answers.map(({ status }) => status)), new Set([200]));
  t.ok(new Set(answers.map(({ body }) => body)).size > 1);
}

const BYTES = String.fromCharCode(...numbers(128).map((i) => 128 + i));

t.test('a cookie that is none of ours counts as absent and is replaced', async (t) => {
  const { value } = await newSession('cookie', 'v1');
  const [key = '', pin = ''] = value.split('.');
  const hostile: Readonly<Record<string, string>> = {
    '8 KB': 'A'.repeat(8192),
    '60 KB': 'A'.repeat(60_000),
    'broken percent-encoding': '%zz%4%',
    'percent-encoded': `${key}%2E${pin}`,
    'bytes that are no UTF-8': BYTES,
    'a key of those': `\xff\xfe${key.slice(2)}`,
    'an empty pin': `${key}.`,
    'half a pin': value.slice(0, -1),
    'two pins': `${value}.${pin}`,
    'a pin of other characters': `${key}.${'='.repeat(16)}`,
    'a pin without a key': `.${pin}`,
    'quotes within': `${key.slice(0, 5)}"${value.slice(6)}`,
    empty: '',
  };
  for (const [what, garbage] of Object.entries(hostile)) {
    const answer = await withCookie('cookie', `sid=${garbage}`);
    t.equal(answer.status, 200, what);
    t.match(answer.setCookie, /^sid=[\w-]{22}\.[\w-]{16};/, what);
    t.not(cookieValueOf(answer).slice(0, 22), key, 'a session of its own');
  }
});

t.test(
  'a session is found among 10,000 cookies; of several of its name the first that is one counts',
  async (t) => {
    const { value, backend } = await newSession('cookie', 'v2');
    const many = numbers(10_000)
      .map(() => 'a=b;')
      .join('');
    const other = await newSession('cookie', 'v1');
    for (const cookie of [
      `${many}sid=${value}`,
      `sid=${value};${many}`,
      `sid=${value}; sid=garbage`,
      `sid=garbage; sid=; sid="; sid=${value}`,
      `sid=${value}; sid=${other.value}`,
    ])
      t.match(await withCookie('cookie', cookie), { status: 200, body: backend, setCookie: undefined });
    for (const separator of [';;;;', '; =; ;=;', '; sid; ', '; SID=x; ']) {
      const answer = await withCookie('cookie', `a=b${separator}sid=${value}`);
      t.match(answer, { status: 200, body: backend, setCookie: undefined }, separator);
    }
  },
);

t.test("another service's pin holds nothing, not even where releases and pods are the same", async (t) => {
  for (const n of numbers(20)) {
    const { value } = await newSession('other', 'v2');
    const answer = await withCookie('drained', `sid=${value}`);
    t.equal(releaseOf(answer), 'v1', `no new session of a drained release, try ${n}`);
    t.equal(cookieValueOf(answer).slice(0, 22), value.slice(0, 22), 'the key is kept');
    t.not(cookieValueOf(answer), value, 'with a pin of this service');
    t.match(await withCookie('drained', `sid=${cookieValueOf(answer)}`), {
      body: answer.body,
      setCookie: undefined,
    });
  }
});

t.test('a forged pin leads nowhere, and never to a drained release', async (t) => {
  const { value } = await newSession('drained', 'v1');
  const [key = '', pin = ''] = value.split('.');
  const turned = numbers(96).map((bit) => turnBit(pin, bit));
  const made = numbers(1000).map((n) => Buffer.from(`forged-${n}`.padEnd(12, '!')).toString('base64url'));
  const extremes = ['A'.repeat(16), '_'.repeat(16)];
  for (const mark of ['.', '~']) {
    const requests = [...turned, ...made, ...extremes].map(
      (digests): FastRequest => ({
        host: 'drained.shop',
        headers: [['Cookie', `sid=${key}${mark}${digests}`]],
      }),
    );
    const answers = await caller.all(requests);
    t.same(new Set(answers.map((answer) => `${answer.status} ${releaseOf(answer)}`)), new Set(['200 v1']));
    const given = answers.map(cookieValueOf).filter((cookie) => cookie !== '');
    t.ok(given.every((cookie) => cookie.startsWith(key) && cookie.length === value.length));
  }
});

function turnBit(pin: string, bit: number): string {
  const bytes = Buffer.from(pin, 'base64url');
  const at = bit >> 3;
  bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7));
  return bytes.toString('base64url');
}

t.test('baggage: one member is found among many, in a header as long as a head may be', async (t) => {
  const baggage = (...values: readonly string[]): FastRequest => ({
    host: 'baggage.shop',
    headers: values.map((value) => ['baggage', value]),
  });
  const plain = await sticks(t, baggage('user=ann'));
  const members = numbers(1500).map((n) => `m${n}=1`);
  for (const same of [
    baggage(`${members.slice(0, 800).join()},user=ann`),
    baggage('user=ann;secret;ttl=1,user=bob'),
    baggage('other=1', 'user=ann'),
    baggage(',,=,;=;,user = ann ,='),
    baggage('user=%61nn'),
    baggage(`${numbers(10_000).join('=,')},user=ann`),
    baggage(`user=ann,pad=${'x'.repeat(8192)}`),
  ])
    t.equal(await sticks(t, same), plain, 'one session');
  for (const value of ['user=%', 'user=%zz', 'user=%4', `user=${BYTES}`, 'user=%ff%fe%00%0d%0a', 'user==='])
    await sticks(t, baggage(value));
  await sticks(t, baggage(...numbers(80).map(() => `user=${'x'.repeat(200)}`)));
  const absent = [baggage('user=;a=b'), baggage('user'), baggage(','.repeat(8000))];
  for (const request of absent) await spreads(t, request);
});

t.test('a lane that no release carries changes nothing', async (t) => {
  for (const lane of ['', '%', BYTES, 'x'.repeat(8000), '__proto__', 'constructor', '\u00ff'.repeat(100)]) {
    const { value, backend } = await newSession('cookie', 'v1');
    const answer = await call('cookie', [
      ['baggage', `roost-lane=${lane}`],
      ['Cookie', `sid=${value}`],
    ]);
    t.match(answer, { status: 200, body: backend, setCookie: undefined });
  }
});

t.test('header keys: doubled, empty, of any bytes and of any size that a head may have', async (t) => {
  const keyed = (...values: readonly string[]): FastRequest => ({
    host: 'header.shop',
    headers: values.map((value) => ['x-user-id', value]),
  });
  for (const n of numbers(20)) {
    const place = await sticks(t, keyed(`a-${n}`, `b-${n}`));
    t.equal(await sticks(t, keyed(`b-${n}`, `a-${n}`)), place, 'in any order (S3)');
  }
  await spreads(t, keyed());
  await spreads(t, keyed(''));
  await spreads(t, keyed('   '));
  await sticks(t, keyed('x'.repeat(60_000)));
  await sticks(t, keyed(...numbers(90).map((n) => `${n}-${'x'.repeat(600)}`)));
  for (const value of ['__proto__', 'constructor', BYTES, '\xff']) await sticks(t, keyed(value));
  const releases = async (prefix: string) =>
    (await caller.all(numbers(64).map((n) => keyed(`${prefix}-${n}`)))).map(releaseOf);
  t.not((await releases('\xe9')).join(), (await releases('\xc3\xa9')).join(), 'keys are bytes');
  for (const size of [65_536, 100_000, 500_000]) {
    const tooLarge = await call('header', [['x-user-id', 'x'.repeat(size)]]);
    t.match(tooLarge, { status: 431, error: 'head-too-large' }, `${size} bytes`);
  }
});

t.test('query keys: as they stand, the first of several', async (t) => {
  const asked = (query: string): FastRequest => ({ host: 'query.shop', path: `/?${query}` });
  const place = await sticks(t, asked('user=ann'));
  t.equal(await sticks(t, asked(`${'&'.repeat(5000)}user=ann&user=bob`)), place);
  for (const query of ['user=%', 'user=%zz', 'user==', `user=${'x'.repeat(60_000)}`])
    await sticks(t, asked(query));
  for (const query of ['user=', 'user', 'use=ann', '&&&', '']) await spreads(t, asked(query));
});

t.test('none of it is remembered by its size', async (t) => {
  const mixed = (n: number): FastRequest => {
    const unique = `${n}-${'y'.repeat(16_000)}`;
    const cookies = `sid=${unique}; ${unique}=1`;
    const host = ['cookie', 'header', 'baggage'][n % 3];
    const baggage = `user=${n}${'z'.repeat(8000)},roost-lane=${n}`;
    return {
      host: `${host}.shop`,
      headers: [
        ['x-user-id', unique],
        ['Cookie', cookies],
        ['baggage', baggage],
      ],
    };
  };
  const send = async (from: number, count: number) => {
    const answers = await caller.all(numbers(count).map((n) => mixed(from + n)));
    t.same(new Set(answers.map(({ status }) => status)), new Set([200]));
  };
  await send(0, 500);
  const before = residentBytes(pid);
  await send(500, 5000);
  const grown = residentBytes(pid) - before;
  t.comment(`5,000 requests of 56 KB, 267 MiB in all: grew by ${Math.round(grown / MIB)} MiB`);
  // What is not collected yet may be some tens of MiB; what is kept would be all of it.
  t.ok(grown < 128 * MIB, `grew by ${Math.round(grown / MIB)} MiB`);
});
