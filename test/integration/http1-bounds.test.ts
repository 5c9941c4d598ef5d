import t from 'tap';
import { inEachDirection, type Path } from '../support/http1/paths.js';
import { fieldOf } from '../support/http1/plain-message.js';
import type { RawPeer } from '../support/http1/raw-peer.js';
import { TestMesh } from '../support/mesh.js';

/** Bounds that only show with whole connections; those of one message are in the codec's unit tests. */

let shared: TestMesh;
const mesh = () => shared;
t.before(async () => {
  shared = await TestMesh.start(t);
});

const get = ({ host }: Path) => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
const NO_CONTENT = 'HTTP/1.1 204 No Content\r\n\r\n';

async function isServed(client: RawPeer, path: Path): Promise<boolean> {
  client.send(get(path));
  return (await client.message()).line === 'HTTP/1.1 204 No Content';
}

inEachDirection(
  t,
  mesh,
  'a connection beyond the most is told so at once, and those before it go on',
  async (t, path) => {
    path.backend.answerAll(() => NO_CONTENT);
    const first = [await path.client(), await path.client()];
    for (const client of first) t.ok(await isServed(client, path));
    for (let i = 0; i < 3; i++) {
      const refused = await path.client();
      const { line, fields, body } = await refused.message();
      t.equal(line, 'HTTP/1.1 503 Service Unavailable');
      t.equal(fieldOf(fields, 'x-roost-error'), 'overloaded');
      t.equal(fieldOf(fields, 'retry-after'), '1');
      t.equal(fieldOf(fields, 'connection'), 'close');
      t.match(body, /^[^\n]+\n$/);
      t.equal(await refused.gone(), 'ended');
      refused.destroy();
    }
    for (const client of first) t.ok(await isServed(client, path));
    t.equal(
      path.backend.peers.reduce((sum, { requests }) => sum + requests, 0),
      4,
    );
  },
  { limits: { maxConnections: 2 } },
);

inEachDirection(
  t,
  mesh,
  'a connection that ends makes room for another',
  async (t, path) => {
    path.backend.answerAll(() => NO_CONTENT);
    const first = await path.client();
    t.ok(await isServed(first, path));
    first.end();
    t.equal(await first.gone(), 'ended');
    t.ok(await isServed(await path.client(), path));
  },
  { limits: { maxConnections: 1 } },
);

inEachDirection(
  t,
  mesh,
  'connections far beyond the most are reset, and the sidecar goes on',
  async (t, path) => {
    path.backend.answerAll(() => NO_CONTENT);
    const served = await path.client();
    t.ok(await isServed(served, path));
    // They take their answers, but do not end: each stays for a while.
    const crowd: RawPeer[] = [];
    const told = () => crowd.filter(({ received }) => received.startsWith('HTTP/1.1 503 ')).length;
    // One round is enough, but on a machine so slow that the first ones leave before the last ones come.
    while (told() === crowd.length && crowd.length < 2000) {
      const round = await Promise.all(Array.from({ length: 200 }, () => path.client()));
      await Promise.all(round.map((client) => client.until('its end', () => client.ended || client.closed)));
      crowd.push(...round);
    }
    t.ok(told() >= 128, `${told()} of ${crowd.length} were told`);
    t.ok(told() < crowd.length, 'but not all');
    t.ok(await isServed(served, path));
    const page = await (await fetch(`http://${path.sidecar.addresses.admin}/metrics`)).text();
    const [refusals] = page.split('\n').filter((line) => /^roost_requests_total\{.*code="503"/.test(line));
    t.match(refusals, new RegExp(`} ${crowd.length}$`), 'all are counted');
  },
  { limits: { maxConnections: 1 } },
);

inEachDirection(
  t,
  mesh,
  'the last request that a connection may bring is answered with close (RFC 9112 section 9.6)',
  async (t, path) => {
    path.backend.answerAll(() => NO_CONTENT);
    const client = await path.client();
    // Pipelined: what comes after the last one is nobody's request.
    client.send(get(path).repeat(5));
    for (const connection of [undefined, undefined, 'close']) {
      const { line, fields } = await client.message();
      t.equal(line, 'HTTP/1.1 204 No Content');
      t.equal(fieldOf(fields, 'connection'), connection);
    }
    t.equal(await client.gone(), 'ended');
    t.equal(client.received, '');
    t.equal(
      path.backend.peers.reduce((sum, { requests }) => sum + requests, 0),
      3,
    );
  },
  { limits: { maxRequestsPerConnection: 3 } },
);
