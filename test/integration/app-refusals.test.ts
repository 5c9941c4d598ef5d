import { readdir } from 'node:fs/promises';
import t, { type Test } from 'tap';
import type { Sidecar } from '../../sidecar/sidecar.js';
import { Backend } from '../support/backend.js';
import { temporaryFolder } from '../support/folder.js';
import { newService } from '../support/http1/paths.js';
import { fieldOf, type PlainMessage } from '../support/http1/plain-message.js';
import { RawBackend, RawPeer } from '../support/http1/raw-peer.js';
import { TestMesh, toAddress } from '../support/mesh.js';
import { eventually } from '../support/processes.js';

/** Apps that are down behind sidecars that live. */

let mesh: TestMesh;
t.before(async () => {
  mesh = await TestMesh.start(t);
});

interface Pod {
  readonly app: Backend;
  readonly sidecar: Sidecar;
}

async function pod(t: Test, name: string): Promise<Pod> {
  const app = await Backend.start(t, name);
  return { app, sidecar: await mesh.sidecar({ app: toAddress(app.address), drainTimeoutMs: 0 }) };
}

const PERSISTENT = { key: [{ header: 'x-user-id' }], version: 'persistent', endpoint: 'persistent' };

/** A service behind these addresses, and a caller of it. */
async function world(t: Test, addresses: readonly string[], spec: object = {}) {
  const service = newService(addresses, spec);
  await mesh.apply(service);
  const caller = await mesh.sidecar({ drainTimeoutMs: 0 });
  const client = await RawPeer.connect(t, caller.addresses.outbound);
  const host = service.metadata.name;
  const call = async (method = 'GET', fields: readonly string[] = [], body = ''): Promise<PlainMessage> => {
    client.sendMessage([`${method} / HTTP/1.1`, `Host: ${host}`, ...fields], body);
    return client.message();
  };
  const endpoint = async (address: string) => {
    const { clusters } = (await (
      await fetch(`http://${caller.addresses.admin}/clusters`)
    ).json()) as Clusters;
    const all = clusters.flatMap(({ endpoints }) => endpoints);
    return all.find((each) => each.address === address);
  };
  return { call, endpoint, client, host };
}

interface Clusters {
  readonly clusters: readonly {
    readonly endpoints: readonly {
      readonly address: string;
      readonly unreachable: boolean;
      readonly connectFailures: number;
    }[];
  }[];
}

const backendOf = ({ line, body }: PlainMessage) =>
  line === 'HTTP/1.1 200 OK' ? (JSON.parse(body) as { backend: string }).backend : line;

const CHUNKED = ['Transfer-Encoding: chunked'];
const REQUESTS: readonly (readonly [method: string, fields: readonly string[], body: string])[] = [
  ['GET', [], ''],
  ['POST', ['Content-Length: 5'], 'hello'],
  ['POST', CHUNKED, '5\r\nhello\r\n0\r\n\r\n'],
  ['PATCH', ['Content-Length: 40000'], 'x'.repeat(40_000)],
  ['DELETE', [], ''],
];

t.test('requests go to another pod whatever their method, until the app answers again', async (t) => {
  const pods = [await pod(t, 'a'), await pod(t, 'b')] as const;
  const addresses = pods.map(({ sidecar }) => sidecar.addresses.inbound) as [string, string];
  const { call, endpoint } = await world(t, addresses);
  await pods[0].app.stop();
  for (let i = 0; !(await endpoint(addresses[0]))?.unreachable; i++) {
    if (i > 60) throw new Error('it never became unreachable');
    for (const request of REQUESTS) t.equal(backendOf(await call(...request)), 'b', request[0]);
  }
  for (const request of REQUESTS) t.equal(backendOf(await call(...request)), 'b', request[0]);
  await pods[0].app.restart();
  await eventually('it is back', async () => (await endpoint(addresses[0]))?.unreachable === false);
  const answered = new Set<string>();
  for (let i = 0; i < 40; i++) answered.add(backendOf(await call()));
  t.strictSame([...answered].sort(), ['a', 'b']);
});

t.test('a pinned session is answered elsewhere, and its pin is replaced only if that lasts', async (t) => {
  const pods = [await pod(t, 'a'), await pod(t, 'b')] as const;
  const addresses = pods.map(({ sidecar }) => sidecar.addresses.inbound);
  const { call, endpoint, host } = await world(t, addresses, { affinity: PERSISTENT });
  const user = ['x-user-id: u', 'Content-Length: 0'];
  const home = backendOf(await call('POST', user));
  const [own, other] = pods[0].app.name === home ? pods : [pods[1], pods[0]];
  await own.app.stop();
  t.equal(backendOf(await call('POST', user)), other.app.name);
  await own.app.restart();
  t.equal(backendOf(await call('POST', user)), home, 'one refusal is not lost (S5)');
  await own.app.stop();
  for (let i = 0; i < 6; i++) t.equal(backendOf(await call('POST', user)), other.app.name);
  const { inbound } = own.sidecar.addresses;
  await mesh.pinLeaves(`shop/${host}`, 'u', inbound);
  await own.app.restart();
  await eventually('it is back', async () => (await endpoint(inbound))?.unreachable === false);
  t.equal(backendOf(await call('POST', user)), other.app.name, 'it stays where it was pinned anew');
});

t.test('with no pod left, the answer is that of refused connections', async (t) => {
  const pods = [await pod(t, 'a'), await pod(t, 'b')] as const;
  for (const { app } of pods) await app.stop();
  const both = await world(
    t,
    pods.map(({ sidecar }) => sidecar.addresses.inbound),
  );
  for (let i = 0; i < 5; i++)
    t.equal(fieldOf((await both.call('POST', ['Content-Length: 0'])).fields, 'x-roost-error'), 'no-endpoint');
  const one = await world(t, [pods[0].sidecar.addresses.inbound]);
  const answer = await one.call();
  t.equal(fieldOf(answer.fields, 'x-roost-error'), 'connect-failure');
  t.equal(fieldOf(answer.fields, 'x-roost-app-refuses'), undefined, 'that is between sidecars');
});

t.test('a body that is longer than what is kept is not sent elsewhere', async (t) => {
  const pods = [await pod(t, 'a'), await pod(t, 'b')] as const;
  for (const { app } of pods) await app.stop();
  const { client, host } = await world(
    t,
    pods.map(({ sidecar }) => sidecar.addresses.inbound),
  );
  client.sendMessage(['POST / HTTP/1.1', `Host: ${host}`, 'Content-Length: 900000'], 'x'.repeat(900_000));
  t.match((await client.message()).line, /^HTTP\/1\.1 50[23] /);
});

/** What a sidecar whose app is down answers to this very request. */
async function askDirectly(t: Test, address: string, request: readonly string[]): Promise<string> {
  const peer = await RawPeer.connect(t, address);
  peer.sendMessage(request);
  await peer.gone();
  return peer.received;
}

t.test('a sidecar that starts from its disk knows the others, too', async (t) => {
  const pods = [await pod(t, 'a'), await pod(t, 'b')] as const;
  const service = newService(pods.map(({ sidecar }) => sidecar.addresses.inbound));
  await mesh.apply(service);
  const settings = { stateDir: await temporaryFolder(t), drainTimeoutMs: 0 };
  const before = await mesh.sidecar(settings);
  await eventually('it is on the disk', async () => (await readdir(settings.stateDir)).length > 0);
  await before.stop();
  await pods[0].app.stop();
  const caller = await mesh.sidecar({ ...settings, controlPlanes: [{ host: '127.0.0.1', port: 1 }] });
  const client = await RawPeer.connect(t, caller.addresses.outbound);
  for (let i = 0; i < 10; i++) {
    client.sendMessage(['POST / HTTP/1.1', `Host: ${service.metadata.name}`, 'Content-Length: 0']);
    t.equal(backendOf(await client.message()), 'b');
  }
});

t.test('nobody but the sidecar that was called can say so of its app', async (t) => {
  const dead = await pod(t, 'dead');
  await dead.app.stop();
  const genuine = await askDirectly(t, dead.sidecar.addresses.inbound, [
    'POST / HTTP/1.1',
    'Host: a',
    'x-request-id: known',
    'Content-Length: 0',
    'Connection: close',
  ]);
  t.match(genuine, /^HTTP\/1\.1 502 .*x-roost-app-refuses: \S+\r\n/s);
  const liar = await RawBackend.start(t);
  const behind = await mesh.sidecar({ app: toAddress(liar.address), drainTimeoutMs: 0 });
  const lies: readonly (readonly [string, (fields: PlainMessage['fields']) => Promise<string> | string])[] = [
    ['what a sidecar said of the same request', () => genuine],
    [
      'what a sidecar says when it is asked in the caller’s place',
      (fields) =>
        askDirectly(t, dead.sidecar.addresses.inbound, ['POST / HTTP/1.1', ...fields, 'Connection: close']),
    ],
    [
      'a guess',
      () => `HTTP/1.1 502 No\r\nx-roost-app-refuses: ${'A'.repeat(43)}\r\nContent-Length: 0\r\n\r\n`,
    ],
  ];
  for (const address of [liar.address, behind.addresses.inbound]) {
    const { client, host, endpoint } = await world(t, [address]);
    for (const [name, lie] of lies) {
      client.sendMessage(['POST / HTTP/1.1', `Host: ${host}`, 'x-request-id: known', 'Content-Length: 0']);
      const peer = await liar.next();
      const said = await lie((await peer.request()).fields);
      peer.send(
        said.replace('\r\nconnection: close', '').replace('\r\n', '\r\nx-liar: yes\r\nConnection: close\r\n'),
      );
      const { line, fields } = await client.message();
      t.match(line, /^HTTP\/1\.1 502 /);
      t.equal(
        fieldOf(fields, 'x-liar'),
        'yes',
        `${name}: it is the answer, and the request goes nowhere else`,
      );
      t.equal(fieldOf(fields, 'x-roost-app-refuses'), undefined);
    }
    t.match(await endpoint(address), { unreachable: false, connectFailures: 0 });
  }
});
