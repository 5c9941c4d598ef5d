import t, { type Test } from 'tap';
import type { Sidecar } from '../../sidecar/sidecar.js';
import { fromStruct, type Struct } from '../../src/api/struct.js';
import { trimBlanks, utf8Bytes } from '../../src/http/byte-text.js';
import type { Explanation } from '../../src/routing/explain.js';
import { Backend, type Echo } from '../support/backend.js';
import { newService } from '../support/http1/paths.js';
import { fieldOf } from '../support/http1/plain-message.js';
import { RawPeer } from '../support/http1/raw-peer.js';
import { TestMesh } from '../support/mesh.js';

/** What conditions and keys read of a request, byte by byte: a sidecar, and `explain` of the same request. */

let mesh: TestMesh;
let sidecar: Sidecar;
t.before(async () => {
  mesh = await TestMesh.start(t);
  sidecar = await mesh.sidecar({ drainTimeoutMs: 0 });
});

interface Request {
  readonly path?: string;
  /** As text; sent as UTF-8. */
  readonly headers?: readonly string[];
}

async function explain(name: string, { path = '/', headers = [] }: Request): Promise<Explanation> {
  const { explanation } = await mesh.client.call<{ explanation: Struct }>('Explain', {
    name: `${name}.shop`,
    path,
    headers: headers.map((line) => {
      const colon = line.indexOf(':');
      return { name: line.slice(0, colon), value: trimBlanks(line, colon + 1) };
    }),
  });
  return fromStruct(explanation) as unknown as Explanation;
}

/** The name of the backend that answers. */
async function ask(client: RawPeer, host: string, { path = '/', headers = [] }: Request): Promise<string> {
  client.sendMessage([`GET ${path} HTTP/1.1`, `Host: ${host}`, ...headers.map(utf8Bytes)]);
  return (JSON.parse((await client.message()).body) as Echo).backend;
}

const cookie = (...lines: string[]): Request => ({ headers: lines.map((line) => `Cookie: ${line}`) });
const header = (value: string): Request => ({ headers: [`X-Name: ${value}`] });
const path = (text: string): Request => ({ path: text });

interface Case {
  readonly what: string;
  readonly match: object;
  readonly holds: readonly Request[];
  readonly fails: readonly Request[];
}

const ofCookie = (match: object) => ({ cookies: [{ name: 'c', ...match }] });
const ofQuery = (match: object) => ({ query: [{ name: 'v', ...match }] });
const ofHeader = (match: object) => ({ headers: [{ name: 'x-name', ...match }] });

const CASES: readonly Case[] = [
  {
    what: 'a regex is of one cookie’s value, and not of its neighbours’',
    match: ofCookie({ regex: '.*beta.*' }),
    holds: [cookie('c=a-beta-b'), cookie('d=1; c=beta; e=2'), cookie('c="beta"')],
    fails: [cookie('c=x; d=beta'), cookie('d=beta; c=x'), cookie('d=beta'), {}],
  },
  {
    what: 'the ends of a regex are the ends of the value',
    match: ofCookie({ regex: '^be(ta)?$' }),
    holds: [cookie('c=beta'), cookie('a=1; c=be; d=2')],
    fails: [cookie('c=beta2'), cookie('c=abeta')],
  },
  {
    what: 'not: the value is another, or there is none',
    match: ofCookie({ regex: '.*beta.*', not: true }),
    holds: [cookie('c=x; d=beta'), cookie('d=beta'), {}],
    fails: [cookie('c=beta'), cookie('d=1', 'c=beta')],
  },
  {
    what: 'quotes and blanks around a value are none of it; of several, the first counts',
    match: ofCookie({ exact: 'beta' }),
    holds: [
      cookie('c="beta"'),
      cookie(' c = beta ;d=1'),
      cookie('c=beta; c=x'),
      cookie('a=1', 'c=beta', 'd=2'),
    ],
    fails: [
      cookie('c=x; c=beta'),
      cookie('c="beta'),
      cookie('cc=beta'),
      cookie('C=beta'),
      cookie('c=x', 'c=beta'),
    ],
  },
  {
    what: 'a prefix and a suffix of one cookie',
    match: {
      cookies: [
        { name: 'c', prefix: 'b' },
        { name: 'c', suffix: 'a' },
      ],
    },
    holds: [cookie('c=beta'), cookie('d=1; c="ba"; e=a')],
    fails: [cookie('c=b; d=a'), cookie('c=xba')],
  },
  {
    what: 'a cookie is there if it has a value, be it empty',
    match: ofCookie({ present: true }),
    holds: [cookie('c='), cookie('c=""'), cookie('d', 'c=1')],
    fails: [cookie('c'), cookie('d=c'), {}],
  },
  {
    what: 'a parameter without a value is an empty one',
    match: ofQuery({ exact: '' }),
    holds: [path('/?v'), path('/?v='), path('/?w=1&v'), path('/?v&v=1')],
    fails: [path('/?v=1'), path('/?w'), path('/'), path('/v'), path('/?v=1&v')],
  },
  {
    what: 'of parameters that are given again, the first counts',
    match: ofQuery({ exact: '1' }),
    holds: [path('/?v=1&v=2'), path('/?w=2&v=1')],
    fails: [path('/?v=2&v=1'), path('/?v=12'), path('/?w=1')],
  },
  {
    what: 'not the first value of a parameter',
    match: ofQuery({ exact: '1', not: true }),
    holds: [path('/?v=2&v=1'), path('/?w=1'), path('/'), path('/?v')],
    fails: [path('/?v=1'), path('/?v=1&v=2')],
  },
  {
    what: 'a regex of one parameter',
    match: ofQuery({ regex: '^.*2$' }),
    holds: [path('/?v=12'), path('/?w=1&v=2&x=3')],
    fails: [path('/?v=1&w=2'), path('/?w=2&v=1'), path('/2')],
  },
  {
    what: 'a header’s text beyond ASCII',
    match: ofHeader({ exact: 'Zoë' }),
    holds: [header('Zoë')],
    fails: [header('Zoe'), header('Zo'), header('Zoë2')],
  },
  {
    what: 'the beginning and the end of such a text',
    match: {
      headers: [
        { name: 'x-name', prefix: 'Ångström' },
        { name: 'x-name', suffix: '東京' },
      ],
    },
    holds: [header('Ångström in 東京')],
    fails: [header('Angström in 東京'), header('Ångström in 京')],
  },
  {
    what: 'a regex sees letters, not bytes',
    match: ofHeader({ regex: 'Zo.|\\p{Han}{2}' }),
    holds: [header('Zoë'), header('東京')],
    fails: [header('Zoëë'), header('東')],
  },
  {
    what: 'not a text beyond ASCII',
    match: ofHeader({ exact: 'Zoë', not: true }),
    holds: [header('Zoe'), {}],
    fails: [header('Zoë')],
  },
  {
    what: 'a cookie’s text beyond ASCII',
    match: ofCookie({ exact: 'größe à' }),
    holds: [cookie('c=größe à'), cookie('a=ä; c="größe à"')],
    fails: [cookie('c=grösse'), cookie('c=gr%C3%B6%C3%9Fe')],
  },
  {
    what: 'a path beyond ASCII comes percent-encoded, in capitals or not',
    match: { path: { prefix: '/über' } },
    holds: [path('/%C3%BCber'), path('/%c3%bcber/a?b'), path('/%C3%bcber/%61')],
    fails: [path('/%C3%BCberall'), path('/uber'), path('/%FCber')],
  },
  {
    what: 'a path of one spelling',
    match: { path: { exact: '/%C3%BC b' } },
    holds: [path('/%C3%BC%20b'), path('/%c3%bc%20b')],
    fails: [path('/%C3%BC+b'), path('/%C3%BC')],
  },
  {
    what: 'a parameter beyond ASCII, by value and by name',
    match: { query: [{ name: 'straße', exact: 'zürich west' }] },
    holds: [path('/?stra%C3%9Fe=z%C3%BCrich%20west'), path('/?x=1&stra%c3%9fe=z%c3%bcrich+west')],
    fails: [path('/?stra%C3%9Fe=z%C3%BCrich'), path('/?strasse=z%C3%BCrich+west'), path('/')],
  },
];

for (const { what, match, holds, fails } of CASES)
  t.test(what, async (t) => {
    const [v1, v2] = [await Backend.start(t, 'rest'), await Backend.start(t, 'matched')];
    const service = newService([v1.address], {
      versions: [
        { name: 'v1', endpoints: [{ address: v1.address }] },
        { name: 'v2', endpoints: [{ address: v2.address }] },
      ],
      routes: [
        { name: 'matched', match: [match], split: [{ version: 'v2', weight: 1 }] },
        { name: 'rest', split: [{ version: 'v1', weight: 1 }] },
      ],
    });
    await mesh.apply(service);
    const host = service.metadata.name;
    const client = await RawPeer.connect(t, sidecar.addresses.outbound);
    for (const [expected, requests] of [
      ['matched', holds],
      ['rest', fails],
    ] as const)
      for (const request of requests) {
        t.equal(await ask(client, host, request), expected, JSON.stringify(request));
        t.equal((await explain(host, request)).route?.name, expected, `explain ${JSON.stringify(request)}`);
      }
  });

/** As the sidecar tells it of the last request that it has routed. */
async function hashOfLast(): Promise<string | undefined> {
  const answer = await fetch(`http://${sidecar.addresses.admin}/debug/requests?n=1`);
  const { requests } = (await answer.json()) as { readonly requests: { readonly session?: string }[] };
  return requests[0]?.session;
}

async function serveSessions(t: Test, key: object) {
  const pods = await Promise.all(Array.from({ length: 8 }, (_, i) => Backend.start(t, `pod-${i}`)));
  const service = newService(
    pods.map(({ address }) => address),
    { affinity: { key: [key], version: 'balanced', endpoint: 'balanced' } },
  );
  await mesh.apply(service);
  const client = await RawPeer.connect(t, sidecar.addresses.outbound);
  const { name } = service.metadata;
  return {
    bySidecar: async (request: Request) => {
      const answered = await ask(client, name, request);
      return pods.find((pod) => pod.name === answered)?.address;
    },
    byExplain: async (request: Request) => {
      const { session, endpoint } = await explain(name, request);
      return { hash: session?.hash, address: endpoint?.address };
    },
  };
}

const NAMES = ['Zoë', 'größe à', '東京', 'naïve\u00a0', 'plain', 'é', 'Ω≈ç√'];
const KEYS: readonly { readonly key: object; readonly with: (name: string) => Request }[] = [
  { key: { header: 'x-name' }, with: header },
  { key: { header: 'x-name' }, with: (name) => ({ headers: [`x-name: ${name}`, 'x-name: ü'] }) },
  { key: { cookie: { name: 'c', mint: false } }, with: (name) => cookie(`a=é; c=${name}; d=1`) },
  { key: { cookie: { name: 'c', mint: false } }, with: (name) => cookie('a=é', `c="${name}"`) },
  { key: { query: 'größe' }, with: (name) => path(`/?gr%C3%B6%C3%9Fe=${encodeURIComponent(name)}&x`) },
  {
    key: { baggage: 'user' },
    with: (name) => ({ headers: [`baggage: a=1, user=${encodeURIComponent(name)}`] }),
  },
  { key: { baggage: 'user' }, with: (name) => ({ headers: [`baggage: user=${name}`] }) },
];

t.test('explain hashes a key beyond ASCII as the sidecar does', async (t) => {
  for (const { key, with: request } of KEYS) {
    const { bySidecar, byExplain } = await serveSessions(t, key);
    const hashes = new Set<string | undefined>();
    for (const name of NAMES) {
      const explained = await byExplain(request(name));
      t.equal(await bySidecar(request(name)), explained.address, `${JSON.stringify(key)} ${name}`);
      t.equal(await hashOfLast(), explained.hash);
      hashes.add(explained.hash);
    }
    t.equal(hashes.size, NAMES.length, 'each is a session of its own');
  }
});

t.test('explain takes a path as its reader writes it, or as it stands in the URL', async (t) => {
  const { bySidecar, byExplain } = await serveSessions(t, { query: 'q' });
  const sent = await bySidecar(path('/%C3%BC?q=z%C3%BCrich'));
  for (const text of ['/%C3%BC?q=z%C3%BCrich', '/ü?q=zürich'])
    t.equal((await byExplain(path(text))).address, sent, text);
});

t.test('a session’s cookie is found in any of several Cookie lines, and set no second time', async (t) => {
  const pods = await Promise.all(Array.from({ length: 8 }, (_, i) => Backend.start(t, `pod-${i}`)));
  const service = newService(
    pods.map(({ address }) => address),
    { affinity: { key: [{ cookie: 'sid' }], version: 'persistent', endpoint: 'persistent' } },
  );
  await mesh.apply(service);
  const client = await RawPeer.connect(t, sidecar.addresses.outbound);
  const send = async (...cookies: string[]) => {
    const lines = cookies.map((each) => `Cookie: ${each}`);
    client.sendMessage(['GET / HTTP/1.1', `Host: ${service.metadata.name}`, ...lines]);
    return client.message();
  };
  const first = await send();
  const [pair = ''] = (fieldOf(first.fields, 'set-cookie') ?? '').split(';');
  for (const lines of [
    [pair],
    ['a=1', pair],
    [`a=1; ${pair}`, 'b=2'],
    ['a="x, y"', 'b=2', `${pair} ; c=3`],
  ]) {
    const again = await send(...lines);
    t.equal((JSON.parse(again.body) as Echo).backend, (JSON.parse(first.body) as Echo).backend, lines.join());
    t.equal(fieldOf(again.fields, 'set-cookie'), undefined);
  }
});
