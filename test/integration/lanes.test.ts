import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import t, { type Test } from 'tap';
import type { Sidecar } from '../../sidecar/sidecar.js';
import { Backend, type Handler } from '../support/backend.js';
import { caller } from '../support/calls.js';
import { TestMesh, toAddress } from '../support/mesh.js';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const AFFINITY = { key: [{ header: 'x-user-id' }], version: 'balanced', endpoint: 'balanced' };

/** An app that calls the next service through its sidecar, passes on nothing but `traceparent`, and adds its name. */
function relay(next: string, sidecar: () => Sidecar): Handler {
  return (incoming, response, backend) => {
    const { host, port } = toAddress(sidecar().addresses.outbound);
    const headers = { host: next, traceparent: String(incoming.headers.traceparent) };
    const call = httpRequest({ host, port, headers }, (answer) => {
      let body = '';
      answer.on('data', (data) => {
        body += String(data);
      });
      answer.on('end', () => response.end(`${backend.name} > ${body}`));
    });
    call.on('error', (error) => response.writeHead(500).end(error.message));
    call.end();
  };
}

const plain: Handler = (request, response, backend) =>
  response.end(`${backend.name} (user ${request.headers['x-user-id'] ?? 'none'})`);

function service(
  name: string,
  split: Record<string, number>,
  versions: readonly { name: string; lane?: string; address: string }[],
) {
  return {
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name, namespace: 'shop' },
    spec: {
      port: 80,
      versions: versions.map(({ address, ...version }) => ({ ...version, endpoints: [{ address }] })),
      routes: [
        {
          name: 'testers',
          match: [{ headers: [{ name: 'x-tester', exact: 'yes' }] }],
          split: [{ version: versions.at(-1)?.name, weight: 1 }],
        },
        { name: 'default', split: Object.entries(split).map(([version, weight]) => ({ version, weight })) },
      ],
      affinity: AFFINITY,
    },
  };
}

/** A pod: an app with a sidecar in front of it. @returns the sidecar's inbound address, which callers dial */
async function pod(
  t: Test,
  mesh: TestMesh,
  name: string,
  handler: (sidecar: () => Sidecar) => Handler,
): Promise<string> {
  let own: Sidecar | undefined;
  const app = await Backend.start(
    t,
    name,
    handler(() => own as Sidecar),
  );
  own = await mesh.sidecar({
    service: { name: name.split('-')[0] as string, namespace: 'shop' },
    app: toAddress(app.address),
  });
  return own.addresses.inbound;
}

t.test(
  '26: a lane chosen at the first service holds for the whole tree, with apps that pass on nothing but traceparent',
  async (t) => {
    const mesh = await TestMesh.start(t);
    const backends = async (name: string, next: string | undefined) =>
      Promise.all(
        ['v1', 'v2'].map((release) =>
          pod(t, mesh, `${name}-${release}`, (sidecar) =>
            next === undefined ? plain : relay(next, sidecar),
          ),
        ),
      );
    const [a1, a2] = (await backends('a', 'b')) as [string, string];
    const [b1, b2] = (await backends('b', 'c')) as [string, string];
    const [c1] = (await backends('c', 'd')) as [string];
    const [d1, d2] = (await backends('d', undefined)) as [string, string];
    const twoLanes = (one: string, two: string) => [
      { name: 'v1', address: one },
      { name: 'v2', lane: 'canary', address: two },
    ];
    await mesh.apply(
      service('a', { v1: 100, v2: 0 }, twoLanes(a1, a2)),
      service('b', { v1: 100, v2: 0 }, twoLanes(b1, b2)),
      service('c', { v1: 1 }, [{ name: 'v1', address: c1 }]),
      service('d', { v1: 100, v2: 0 }, twoLanes(d1, d2)),
    );
    const edge = await mesh.sidecar({ service: { name: 'edge', namespace: 'shop' } });
    const call = caller(t, edge.addresses.outbound);
    const headers = { traceparent: TRACEPARENT, 'x-user-id': '7' };
    t.equal(
      (await call('a', { headers })).body,
      'a-v1 > b-v1 > c-v1 > d-v1 (user none)',
      'by their own splits',
    );
    const inLane = (
      await call('a', {
        headers: { ...headers, 'x-tester': 'yes', traceparent: TRACEPARENT.replace('0af', '1af') },
      })
    ).body;
    t.equal(
      inLane,
      'a-v2 > b-v2 > c-v1 > d-v2 (user none)',
      'the canary wherever there is one, past a service that has none',
    );
  },
);

t.test('26: a lane is passed on and followed however long the baggage is', async (t) => {
  const mesh = await TestMesh.start(t);
  const seen: string[] = [];
  const note: Handler = (request, response, backend) => {
    seen.push(String(request.headers.baggage));
    response.end(backend.name);
  };
  const backends = await Promise.all(
    ['a-v1', 'a-v2', 'b-v1', 'b-v2'].map((name) => Backend.start(t, name, note)),
  );
  const versions = (of: string) =>
    backends
      .filter(({ name }) => name.startsWith(of))
      .map(({ address }, i) => ({ name: `v${i + 1}`, address, ...(i === 1 ? { lane: 'canary' } : {}) }));
  await mesh.apply(
    service('a', { v1: 100, v2: 0 }, versions('a')),
    service('b', { v1: 100, v2: 0 }, versions('b')),
  );
  const call = caller(
    t,
    (await mesh.sidecar({ service: { name: 'edge', namespace: 'shop' } })).addresses.outbound,
  );
  const members = Array.from({ length: 1000 }, (_, i) => `member-${i}=x`).join(',');
  const first = await call('a', { headers: { 'x-user-id': '7', 'x-tester': 'yes', baggage: members } });
  t.equal(first.body, 'a-v2');
  t.equal(
    seen[0],
    `roost-lane=canary,${members}`,
    'nothing is lost, and the lane is before what others may cut off',
  );
  const onward = await call('b', { headers: { 'x-user-id': '7', baggage: seen[0] as string } });
  t.equal(onward.body, 'b-v2');
});

t.test('26: lane and session go past two apps in a row that pass on nothing but traceparent', async (t) => {
  const mesh = await TestMesh.start(t);
  const seen: string[] = [];
  const last: Handler = (request, response, backend) => {
    seen.push(JSON.stringify(request.headers));
    response.end(backend.name);
  };
  const ends = await Promise.all(['c-v1', 'c-v2'].map((name) => Backend.start(t, name, last)));
  const b = await pod(t, mesh, 'b-v1', (sidecar) => relay('c', sidecar));
  const a = await pod(t, mesh, 'a-v1', (sidecar) => relay('b', sidecar));
  await mesh.apply(
    service('a', { v1: 1 }, [{ name: 'v1', address: a }]),
    service('b', { v1: 1 }, [{ name: 'v1', address: b }]),
    service(
      'c',
      { v1: 50, v2: 50 },
      ends.map(({ address }, i) => ({ name: `v${i + 1}`, address })),
    ),
  );
  const edge = await mesh.sidecar({ service: { name: 'edge', namespace: 'shop' } });
  const call = caller(t, edge.addresses.outbound);
  const places = new Set<string>();
  for (let user = 0; user < 20; user++) {
    const headers = (n: number) => ({
      'x-user-id': `user-${user}`,
      traceparent: `00-${String(user * 100 + n).padStart(32, '2')}-b7ad6b7169203331-01`,
    });
    const direct = (await call('c', { headers: headers(0) })).body;
    places.add(direct);
    for (let n = 1; n < 4; n++)
      t.equal((await call('a', { headers: headers(n) })).body, `a-v1 > b-v1 > ${direct}`, `user ${user}`);
  }
  t.equal(places.size, 2);
  t.notMatch(seen.at(-1), '"x-user-id"', 'the apps are told of no header that was not sent to them');
});

t.test('26: a lane of any bytes ends no line of the request that carries it on', async (t) => {
  const mesh = await TestMesh.start(t);
  const seen: IncomingHttpHeaders[] = [];
  const end = await Backend.start(t, 'b-v1', (request, response) => {
    seen.push(request.headers);
    response.end('b-v1');
  });
  const front = await pod(t, mesh, 'a-v1', (sidecar) => relay('b', sidecar));
  await mesh.apply(
    service('a', { v1: 1 }, [{ name: 'v1', address: front }]),
    service('b', { v1: 1 }, [{ name: 'v1', address: end.address }]),
  );
  const call = caller(
    t,
    (await mesh.sidecar({ service: { name: 'edge', namespace: 'shop' } })).addresses.outbound,
  );
  const { body } = await call('a', {
    headers: { traceparent: TRACEPARENT, baggage: 'roost-lane=x%0D%0AEvil:%20yes' },
  });
  t.equal(body, 'a-v1 > b-v1');
  t.match(seen[0], { baggage: 'roost-lane=x%0D%0AEvil:%20yes' });
  t.equal(seen[0]?.evil, undefined);
});

t.test('a session key that the app does not pass on is found by its trace', async (t) => {
  const mesh = await TestMesh.start(t);
  const releases = await Promise.all(['b-v1', 'b-v2'].map((name) => Backend.start(t, name, plain)));
  const front = await pod(t, mesh, 'a-v1', (sidecar) => relay('b', sidecar));
  await mesh.apply(
    service('a', { v1: 1 }, [{ name: 'v1', address: front }]),
    service(
      'b',
      { v1: 50, v2: 50 },
      releases.map(({ address }, i) => ({ name: `v${i + 1}`, address })),
    ),
  );
  const edge = await mesh.sidecar({ service: { name: 'edge', namespace: 'shop' } });
  const call = caller(t, edge.addresses.outbound);
  const seen = new Set<string>();
  for (let user = 0; user < 20; user++) {
    const headers = (n: number) => ({
      'x-user-id': `user-${user}`,
      traceparent: `00-${String(user * 100 + n).padStart(32, '1')}-b7ad6b7169203331-01`,
    });
    const direct = (await call('b', { headers: headers(0) })).body.slice(0, 4);
    seen.add(direct);
    for (let n = 1; n < 4; n++)
      t.match(
        (await call('a', { headers: headers(n) })).body,
        `a-v1 > ${direct}`,
        `user ${user} is on ${direct} through an app, too`,
      );
  }
  t.equal(seen.size, 2);
});
