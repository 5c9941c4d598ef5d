import t, { type Test } from 'tap';
import { inEachDirection, type Path } from '../support/http1/paths.js';
import { fieldOf } from '../support/http1/plain-message.js';
import type { RawPeer } from '../support/http1/raw-peer.js';
import { BROKEN_CHUNKS, REFUSED_HEADS, type Smuggled } from '../support/http1/smuggling-corpus.js';
import { TestMesh } from '../support/mesh.js';

let shared: TestMesh;
const mesh = () => shared;
t.before(async () => {
  shared = await TestMesh.start(t);
});

const CODES = {
  400: 'malformed-request',
  431: 'head-too-large',
  501: 'unsupported-coding',
  505: 'unsupported-version',
} as const;

async function checkRefused(t: Test, client: RawPeer, name: string, status: keyof typeof CODES) {
  const { line, fields, body } = await client.message();
  const seen = {
    line: line.slice(0, 13),
    code: fieldOf(fields, 'x-roost-error'),
    connection: fieldOf(fields, 'connection'),
    oneLine: /^[^\n]+\n$/.test(body),
    end: await client.gone(),
    rest: client.received,
  };
  const expected = { code: CODES[status], connection: 'close', oneLine: true, end: 'ended', rest: '' };
  t.strictSame(seen, { line: `HTTP/1.1 ${status} `, ...expected }, name);
}

const bytesOf = ({ bytes }: Smuggled, path: Path) => bytes.replaceAll('HOST', path.host);

inEachDirection(
  t,
  mesh,
  'requests that two parsers could read differently never reach the upstream',
  async (t, path) => {
    for (const smuggled of REFUSED_HEADS) {
      const client = await path.client();
      client.send(bytesOf(smuggled, path));
      await checkRefused(t, client, smuggled.name, smuggled.status ?? 400);
      client.destroy();
    }
    t.equal(path.backend.accepted, 0);
  },
);

inEachDirection(
  t,
  mesh,
  'so it is when they come byte by byte, and behind a good request',
  async (t, path) => {
    path.backend.answerAll(() => 'HTTP/1.1 204 No Content\r\n\r\n');
    let good = 0;
    for (const smuggled of REFUSED_HEADS.filter(({ bytes }) => bytes.length < 2000)) {
      const slow = await path.client();
      for (const byte of bytesOf(smuggled, path)) slow.send(byte);
      await checkRefused(t, slow, smuggled.name, smuggled.status ?? 400);
      slow.destroy();
      const second = await path.client();
      second.send(`GET /good HTTP/1.1\r\nHost: ${path.host}\r\n\r\n${bytesOf(smuggled, path)}`);
      t.match(await second.message(), { line: 'HTTP/1.1 204 No Content' });
      good++;
      await checkRefused(t, second, smuggled.name, smuggled.status ?? 400);
      second.destroy();
    }
    const seen = path.backend.peers.reduce((sum, { requests }) => sum + requests, 0);
    t.equal(seen, good, 'the good ones, and no other');
  },
);

inEachDirection(
  t,
  mesh,
  'malformed chunks end the request: the upstream never sees it whole',
  async (t, path) => {
    for (const smuggled of BROKEN_CHUNKS) {
      const client = await path.client();
      client.send(bytesOf(smuggled, path));
      await checkRefused(t, client, smuggled.name, smuggled.status ?? 400);
      const upstream = path.backend.accepted === 0 ? undefined : path.backend.peers.at(-1);
      if (upstream) {
        await upstream.gone();
        await t.rejects(upstream.request(), /closed/, 'there is no whole request in what it got');
        t.notMatch(upstream.received, '/hidden');
      }
      client.destroy();
    }
  },
);

inEachDirection(
  t,
  mesh,
  'an upgrade to h2c is not passed on: the request is answered as it is',
  async (t, path) => {
    for (const extra of [[], ['Content-Length: 0']]) {
      const client = await path.client();
      const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
      const fields = [
        'Connection: Upgrade, HTTP2-Settings',
        'Upgrade: h2c',
        'HTTP2-Settings: AAMAAABkAAQAAP__',
      ];
      client.sendMessage(['GET / HTTP/1.1', `Host: ${path.host}`, ...fields, ...extra], preface);
      const upstream = path.backend.peers[0] ?? (await path.backend.next());
      const request = await upstream.request();
      for (const name of ['connection', 'upgrade', 'http2-settings'])
        t.equal(fieldOf(request.fields, name), undefined);
      upstream.sendMessage(['HTTP/1.1 204 No Content']);
      t.match(await client.message(), { line: 'HTTP/1.1 204 No Content' });
      await checkRefused(t, client, 'what follows is HTTP/1.1 or nothing', 505);
      t.equal(upstream.received, '');
    }
  },
);
