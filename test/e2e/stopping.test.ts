import t, { type Test } from 'tap';
import { toStruct } from '../../src/api/struct.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import { newService } from '../support/http1/paths.js';
import { RawBackend, RawPeer } from '../support/http1/raw-peer.js';
import { toAddress } from '../support/mesh.js';
import { eventually, type StartedSidecar, startControlPlane, startSidecar } from '../support/processes.js';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

/** One way of having something under way. */
interface Held {
  readonly client: RawPeer;
  readonly upstream: RawPeer;
}

/** A sidecar of its own process with an upstream behind either port. */
interface World {
  readonly sidecar: StartedSidecar;
  readonly backend: RawBackend;
  readonly host: string;
}

async function start(t: Test, flags: readonly string[]): Promise<World> {
  const { grpc } = await startControlPlane(t);
  const backend = await RawBackend.start(t);
  const service = newService([backend.address]);
  const client = new ControlPlaneClient(toAddress(grpc));
  t.teardown(() => client.close());
  await client.call('Apply', { documents: [toStruct(service)] });
  const sidecar = await startSidecar(t, [
    ...['--service', 'frontend.shop', '--control-plane', grpc, '--app', backend.address],
    ...['--drain-grace', '0s', ...flags],
  ]);
  const url = `http://${sidecar.admin}/ready`;
  await eventually('the sidecar is ready', async () => (await fetch(url)).status === 200);
  return { sidecar, backend, host: service.metadata.name };
}

/** Sends something and waits until the upstream has got this much of it. */
async function hold(t: Test, { sidecar, backend }: World, text: string, upTo: string, inbound = false) {
  const client = await RawPeer.connect(t, inbound ? sidecar.inbound : sidecar.outbound);
  client.send(text);
  const upstream = await backend.next();
  await upstream.receive(upTo);
  return { client, upstream };
}

const KINDS: readonly (readonly [name: string, open: (t: Test, world: World) => Promise<Held>])[] = [
  ['a request that is not answered', (t, w) => hold(t, w, get(w), '\r\n\r\n')],
  [
    'an answer half way',
    async (t, w) => {
      const held = await hold(t, w, get(w), '\r\n\r\n');
      held.upstream.send('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf');
      await held.client.receive('half');
      return held;
    },
  ],
  [
    'a request body half way',
    (t, w) => hold(t, w, `POST / HTTP/1.1\r\nHost: ${w.host}\r\nContent-Length: 9\r\n\r\nhalf`, 'half'),
  ],
  ['a WebSocket', (t, w) => webSocket(t, w, false)],
  [
    'a CONNECT tunnel',
    async (t, w) => {
      const { address } = w.backend;
      const held = await hold(t, w, `CONNECT ${address} HTTP/1.1\r\nHost: ${address}\r\n\r\nin`, 'in');
      await held.client.message('response to HEAD');
      return held;
    },
  ],
  [
    'a tunnel with TLS inside, to an endpoint',
    (t, w) =>
      hold(t, w, `CONNECT ${w.host}:80 HTTP/1.1\r\nHost: ${w.host}:80\r\n\r\n\x16\x03\x01`, '\x16\x03\x01'),
  ],
  [
    'an idle connection',
    async (t, w) => {
      const held = await hold(t, w, get(w), '\r\n\r\n');
      held.upstream.send(OK);
      await held.client.message();
      return held;
    },
  ],
  ['a request to the app', (t, w) => hold(t, w, get(w), '\r\n\r\n', true)],
  ['a WebSocket to the app', (t, w) => webSocket(t, w, true)],
];

const get = ({ host }: World) => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

async function webSocket(t: Test, world: World, inbound: boolean): Promise<Held> {
  const asked = `GET / HTTP/1.1\r\nHost: ${world.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
  const held = await hold(t, world, asked, '\r\n\r\n', inbound);
  held.upstream.send(SWITCHED);
  await held.client.message('response to HEAD');
  return held;
}

for (const workers of process.platform === 'linux' ? ['1', '2'] : ['1']) {
  t.test(`SIGTERM ends a sidecar whatever is under way, with code 0 (workers: ${workers})`, async (t) => {
    const world = await start(t, ['--drain-timeout', '300ms', '--access-log', 'all', '--workers', workers]);
    const held: (Held & { readonly name: string })[] = [];
    // An idle connection to the upstream would serve the next kind: one that ends as idle comes last.
    for (const [name, open] of KINDS) held.push({ name, ...(await open(t, world)) });
    t.equal(await world.sidecar.process.kill('SIGTERM'), 0);
    for (const { name, client, upstream } of held) {
      const ends = [await client.gone(), await upstream.gone()];
      if (!name.startsWith('an idle')) t.strictSame(ends, ['broken', 'broken'], name);
    }
    const { log } = world.sidecar.process;
    t.ok(log.some(({ msg }) => msg === 'sidecar has stopped'));
    t.equal(log.filter(({ flags }) => String(flags).includes('sidecar-stopped')).length, 8);
  });
}

for (const signals of [
  ['SIGTERM', 'SIGTERM'],
  ['SIGINT', 'SIGTERM'],
] as const) {
  t.test(`a second signal cuts off what is left, at once (${signals.join(', ')})`, async (t) => {
    const world = await start(t, ['--drain-timeout', '1h']);
    const { client, upstream } = await hold(t, world, get(world), '\r\n\r\n');
    const { process: sidecar } = world.sidecar;
    sidecar.child.kill(signals[0]);
    await sidecar.logged('draining');
    sidecar.child.kill(signals[1]);
    t.equal(await sidecar.exited, 0);
    t.strictSame([await client.gone(), await upstream.gone()], ['broken', 'broken']);
    t.ok(sidecar.log.some(({ msg }) => msg === 'sidecar has stopped'));
  });
}
