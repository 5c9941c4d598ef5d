import t, { type Test } from 'tap';
import { ODD_REQUESTS, type Odd } from '../support/http1/odd-corpus.js';
import { contentOf } from '../support/http1/oracles.js';
import {
  type OtherServer,
  startHaproxy,
  startNginx,
  startNode,
  type Understood,
} from '../support/http1/other-servers.js';
import { newService } from '../support/http1/paths.js';
import { RawPeer } from '../support/http1/raw-peer.js';
import { BROKEN_CHUNKS, REFUSED_HEADS } from '../support/http1/smuggling-corpus.js';
import { transcribeRequests } from '../support/http1/transcripts.js';
import { TestMesh } from '../support/mesh.js';
import { findPeer } from '../support/peers.js';

/**
 * Every message of a corpus goes through a sidecar to other servers, each followed by a request that must be the
 * next one that the server understands. What the sidecar refuses, no server sees; what it forwards, every server
 * understands as the sidecar did (as many requests, their methods, targets and content), or refuses itself.
 */
const CORPUS: readonly Odd[] = [...ODD_REQUESTS, ...REFUSED_HEADS, ...BROKEN_CHUNKS];

let mesh: TestMesh;
t.before(async () => {
  mesh = await TestMesh.start(t);
});

t.test('the corpus is as large as it should be, and has both kinds', async (t) => {
  const accepted = CORPUS.filter(({ bytes }) => readByUs(bytes).length > 0);
  t.ok(CORPUS.length >= 150, `${CORPUS.length} messages`);
  t.ok(accepted.length >= 100, `${accepted.length} of them with a whole request`);
});

const PEERS = [
  { name: 'node:http', start: startNode, skip: false, mayRefuse: /^$/ },
  {
    name: 'nginx',
    start: startNginx,
    skip: findPeer(undefined, 'nginx').skip,
    // It takes no TRACE, no target but a path, and no path that it cannot decode or that leads out of its root.
    mayRefuse: /^(?:TRACE |OPTIONS \* |GET \/(?:\.\.|%))/,
  },
  {
    name: 'HAProxy',
    start: startHaproxy,
    skip: findPeer(undefined, 'haproxy').skip,
    mayRefuse: /^$/,
  },
] as const;

for (const { name, start, skip, mayRefuse } of PEERS) {
  t.test(`${name} understands what the sidecar forwards as the sidecar does`, { skip }, async (t) => {
    const server = await start(t);
    const service = newService([server.address]);
    await mesh.apply(service);
    const sidecar = await mesh.sidecar({ drainTimeoutMs: 0 });
    const connect = () => RawPeer.connect(t, sidecar.addresses.outbound);
    const refused: string[] = [];
    for (const message of CORPUS) {
      if (await isRefused(t, server, message, service.metadata.name, connect)) refused.push(message.name);
    }
    const unexpected = refused.filter((message) => !mayRefuse.test(message));
    t.strictSame(unexpected, [], 'to be refused proves nothing: it must be for a known reason');
  });
}

/** @returns whether the server refused something that the sidecar had forwarded */
async function isRefused(
  t: Test,
  server: OtherServer,
  { name, bytes }: Odd,
  host: string,
  connect: () => Promise<RawPeer>,
): Promise<boolean> {
  const sent = bytes.replaceAll('HOST', host);
  const ours = readByUs(sent);
  server.understood.length = 0;
  const client = await connect();
  client.send(sent);
  const statuses = await answersTo(client, ours);
  client.destroy();
  const sentinel = await connect();
  sentinel.send(`GET /sentinel HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  const { line } = await sentinel.message();
  sentinel.destroy();
  t.equal(line, 'HTTP/1.1 200 OK', `${name}: what follows is understood`);
  const expected = ours.filter((_, i) => !isRefusal(statuses[i]));
  t.strictSame(server.understood, [...expected, { method: 'GET', target: '/sentinel', body: '' }], name);
  return expected.length < ours.length;
}

/** The whole requests that the sidecar's codec finds in the bytes. */
function readByUs(bytes: string): Understood[] {
  return transcribeRequests([bytes], 'later')
    .requests.filter(({ complete }) => complete)
    .map((seen) => ({ method: seen.method, target: seen.target, body: contentOf(seen) }));
}

/** The final statuses, one for each request, or until the connection ends. */
async function answersTo(client: RawPeer, requests: readonly Understood[]): Promise<string[]> {
  const statuses: string[] = [];
  while (statuses.length < Math.max(1, requests.length)) {
    const isHead = requests[statuses.length]?.method === 'HEAD';
    const { line } = await client.message(isHead ? 'response to HEAD' : 'response');
    if (!line.startsWith('HTTP/1.1 1')) statuses.push(line);
    if (client.ended && client.received === '') break;
  }
  return statuses;
}

function isRefusal(line: string | undefined): boolean {
  return line === undefined || /^HTTP\/1\.1 (4\d\d|501|505) /.test(line);
}
