import t from 'tap';
import { encryption } from '../support/http1/encryption.js';
import { inEachDirection, type Path, startPath } from '../support/http1/paths.js';
import type { RawPeer } from '../support/http1/raw-peer.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';

/** Clients that leave while a request of theirs is under way, and those that only have nothing more to send. */

let shared: TestMesh;
const mesh = () => shared;
t.before(async () => {
  shared = await TestMesh.start(t);
});

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const get = ({ host }: Path) => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
const post = ({ host }: Path, length: number) =>
  `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${length}\r\n\r\n`;

/** Longer than it takes to look for clients that have left. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 1200));

async function waiting(path: Path, text: string): Promise<{ client: RawPeer; upstream: RawPeer }> {
  const client = await path.client();
  client.send(text);
  const upstream = await path.backend.next();
  await upstream.receive('\r\n\r\n');
  return { client, upstream };
}

const KINDS: readonly (readonly [name: string, text: (path: Path) => string, answer: string])[] = [
  ['waits for its answer', get, ''],
  [
    'waits for the rest of its answer',
    get,
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n',
  ],
  ['has sent its next request ahead', (path) => get(path) + get(path), ''],
];

for (const [name, text, answer] of KINDS) {
  inEachDirection(t, mesh, `a client that ${name} and closes: the upstream is told`, async (t, path) => {
    const { client, upstream } = await waiting(path, text(path));
    upstream.send(answer);
    await client.receive(answer);
    client.destroy();
    // Over TLS, an end that is cut off looks like one.
    await upstream.gone();
    t.pass();
  });

  inEachDirection(t, mesh, `a client that ${name} and ends only its side: it goes on`, async (t, path) => {
    const { client, upstream } = await waiting(path, text(path));
    upstream.send(answer);
    await client.receive(answer);
    client.end();
    await settle();
    upstream.send(answer === '' ? OK : '0\r\n\r\n');
    await client.receive(answer === '' ? 'ok' : '0\r\n\r\n');
    if (name.includes('ahead')) {
      await upstream.receive('\r\n\r\n');
      upstream.send(OK);
      await client.receive('ok');
    }
    t.equal(await client.gone(), 'ended');
  });
}

for (const leave of ['destroy', 'reset'] as const) {
  inEachDirection(
    t,
    mesh,
    `a client whose upload is not taken, and that leaves (${leave})`,
    async (t, path) => {
      const length = 30_000_000;
      const { client, upstream } = await waiting(path, post(path, length));
      upstream.socket.pause();
      client.send('x'.repeat(length - 1));
      await settle();
      client[leave]();
      await eventually('no request is under way', async () => (await underWay(path)) === 0);
      upstream.socket.resume();
      await upstream.gone();
      t.pass();
    },
  );
}

/** Requests under way, as `/metrics` has them. */
async function underWay({ sidecar, direction }: Path): Promise<number> {
  const text = await (await fetch(`http://${sidecar.addresses.admin}/metrics`)).text();
  const line = new RegExp(`^roost_active_requests\\{direction="${direction}"\\} (\\d+)$`, 'm');
  return Number(line.exec(text)?.[1]);
}

t.test('what a client that left had of the limits is free again', async (t) => {
  const path = await startPath(t, shared, 'outbound', { spec: { limits: { requests: 2 } } });
  const held = [await waiting(path, get(path)), await waiting(path, get(path))];
  const other = await path.client();
  other.send(get(path));
  t.match((await other.message()).line, /503/);
  for (const { client } of held) client.destroy();
  for (const { upstream } of held) await upstream.gone();
  path.backend.answerAll(() => OK);
  other.send(get(path));
  t.match((await other.message()).line, /200/);
});

if (encryption() === undefined)
  t.test('a tunnel whose client closes ends in good order: all of it arrives', async (t) => {
    const path = await startPath(t, shared, 'outbound');
    const { address } = path.backend;
    const client = await path.client();
    client.send(`CONNECT ${address} HTTP/1.1\r\nHost: ${address}\r\n\r\nlast words`);
    const upstream = await path.backend.next();
    client.destroy();
    await upstream.receive('last words');
    await upstream.until('the end', () => upstream.ended);
    upstream.end();
    t.equal(await upstream.gone(), 'ended');
  });
