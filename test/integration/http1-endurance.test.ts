import t from 'tap';
import { inParallel } from '../support/calls.js';
import { inEachDirection, type Path } from '../support/http1/paths.js';
import type { RawPeer } from '../support/http1/raw-peer.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';

let shared: TestMesh;
const mesh = () => shared;
const warnings: Error[] = [];
t.before(async () => {
  shared = await TestMesh.start(t);
  // Node's own alarm for listeners that pile up.
  process.on('warning', (warning) => warnings.push(warning));
});

const WIDTH = 20;

/** A thing that a client may do with a connection of its own; most of them do not end well. */
type Visit = (client: RawPeer, host: string) => Promise<unknown>;

const VISITS: readonly Visit[] = [
  async (client, host) => {
    for (let i = 0; i < 90; i++) {
      client.sendMessage(['GET /10 HTTP/1.1', `Host: ${host}`]);
      await client.message();
    }
  },
  async (client, host) => {
    client.send(`GET /5 HTTP/1.1\r\nHost: ${host}\r\n\r\n`.repeat(5));
    for (let i = 0; i < 5; i++) await client.message();
  },
  async (client, host) => {
    client.sendMessage(['POST /1 HTTP/1.1', `Host: ${host}`, 'Content-Length: 9'], 'half');
    await client.socket.resetAndDestroy();
  },
  async (client, host) => {
    client.sendMessage(
      ['POST /1 HTTP/1.1', `Host: ${host}`, 'Transfer-Encoding: chunked'],
      '5\r\nhello\r\nX\r\n',
    );
    await client.gone();
  },
  async (client, host) => {
    client.sendMessage(['GET /100000 HTTP/1.1', `Host: ${host}`]);
    await client.receive('\r\n\r\n');
  },
  async (client, host) => {
    client.sendMessage(['GET /die HTTP/1.1', `Host: ${host}`]);
    await client.message();
  },
  async (client, host) => {
    client.sendMessage(['GET /die-within HTTP/1.1', `Host: ${host}`]);
    await client.gone();
  },
  async (client, host) => {
    client.sendMessage(['GET /3 HTTP/1.0', `Host: ${host}`]);
    await client.gone();
  },
  async (client) => {
    client.send('nonsense\r\n\r\n');
    await client.gone();
  },
  async (client, host) => {
    client.sendMessage(['GET /switch HTTP/1.1', `Host: ${host}`, 'Connection: Upgrade', 'Upgrade: x']);
    await client.receive('\r\n\r\n');
  },
];

function answerByPath(path: Path): void {
  path.backend.answerAll(({ line }, peer) => {
    const target = line.split(' ')[1] as string;
    if (target === '/die') peer.reset();
    if (target === '/die-within') setImmediate(() => peer.reset());
    if (target === '/switch') return 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n';
    const length = Number(target.slice(1)) || 10;
    const body = target === '/die-within' ? 'half' : 'x'.repeat(length);
    return `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n${body}`;
  });
}

inEachDirection(
  t,
  mesh,
  'nothing is left behind by thousands of requests, many of them broken off',
  async (t, path) => {
    answerByPath(path);
    const count = path.direction === 'outbound' ? 10_000 : 3000;
    const visits = Array.from({ length: count / 10 }, (_, i) => VISITS[i % VISITS.length] as Visit);
    await inParallel(visits, WIDTH, async (visit) => {
      const client = await path.client();
      await visit(client, path.host);
      client.destroy();
    });
    await eventually('the last clients’ connections are gone', async () => (await gauge(path)) === 0);
    const requests = path.backend.peers.reduce((sum, peer) => sum + peer.requests, 0);
    t.ok(requests >= count, `${requests} requests reached the upstream`);
    if (path.direction === 'outbound') {
      await eventually('no request is under way', async () => (await endpoint(path))?.activeRequests === 0);
      const connections = (await endpoint(path))?.connections ?? Number.NaN;
      t.ok(connections <= WIDTH, `${connections} connections are pooled`);
    }
    await path.sidecar.stop();
    await eventually('the last upstream connections are gone', () => path.backend.open === 0);
    t.strictSame(warnings, []);
  },
);

/** Connections of clients, as the sidecar counts them. */
async function gauge({ sidecar, direction }: Path): Promise<number> {
  const text = await (await fetch(`http://${sidecar.addresses.admin}/metrics`)).text();
  const found = new RegExp(`^roost_.*connections.*direction="${direction}".* (\\d+)$`, 'm').exec(text);
  return Number(found?.[1] ?? Number.NaN);
}

async function endpoint({ sidecar, backend }: Path) {
  const { clusters } = (await (await fetch(`http://${sidecar.addresses.admin}/clusters`)).json()) as {
    clusters: { endpoints: { address: string; activeRequests: number; connections: number }[] }[];
  };
  return clusters.flatMap(({ endpoints }) => endpoints).find(({ address }) => address === backend.address);
}
