import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { CLUSTER_SKIP, Cluster } from '../support/cluster.js';
import { read } from '../support/documentation.js';
import { eventually } from '../support/processes.js';

/** A server that says its release; the image is in every test cluster. */
function deployment(release: string, replicas: number) {
  const labels = { app: 'cart', version: release };
  const serve = `echo ${release} >/index.html; exec /busybox httpd -f -p 8080 -h /`;
  const container = {
    name: 'app',
    image: 'localhost/pause:1',
    imagePullPolicy: 'Never',
    command: ['/busybox', 'sh', '-c', serve],
    ports: [{ name: 'web', containerPort: 8080 }],
    readinessProbe: { tcpSocket: { port: 'web' }, periodSeconds: 1 },
    // The server ends at once when it is told to: what is under way ends first, and nothing new comes.
    lifecycle: { preStop: { exec: { command: ['/busybox', 'sleep', '3'] } } },
  };
  const template = {
    metadata: { labels },
    spec: { containers: [container], terminationGracePeriodSeconds: 4 },
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: `cart-${release}`, namespace: 'shop' },
    spec: { replicas, selector: { matchLabels: labels }, template },
  };
}

const SERVICE = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'cart', namespace: 'shop' },
  spec: { selector: { app: 'cart' }, ports: [{ name: 'http', port: 80, targetPort: 'web' }] },
};
const CANARY = {
  apiVersion: 'roost.dev/v1alpha1',
  kind: 'MeshService',
  metadata: { name: 'cart', namespace: 'shop' },
  spec: {
    port: 80,
    versions: ['v1', 'v2'].map((version) => ({ name: version, selector: { version } })),
    routes: [{ name: 'default', split: [{ version: 'v2', weight: 1 }] }],
  },
};
const DEFINITION = parseAllDocuments(
  read('deploy/helm/roost/files/meshservice-crd.yaml'),
)[0]?.toJS() as object;

/** Calls cart through the sidecar; prints how often each answer came. */
const CALLS = `
const [count, pauseMs] = process.argv.slice(1).map(Number);
const { request } = require('node:http');
const seen = {};
const call = () => new Promise((resolve) => {
  const options = { host: '127.0.0.1', port: 15001, path: '/', headers: { host: 'cart.shop' } };
  request(options, (response) => {
    let text = '';
    response.on('data', (chunk) => { text += chunk; });
    response.on('end', () => resolve(response.statusCode === 200 ? text.trim() : String(response.statusCode)));
  }).on('error', (error) => resolve(error.code)).end();
});
(async () => {
  for (let i = 0; i < count; i++) {
    const answer = await call();
    seen[answer] = (seen[answer] ?? 0) + 1;
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  console.log(JSON.stringify(seen));
})();`;

t.setTimeout(300_000);

t.test('discovery on real pods', { skip: CLUSTER_SKIP }, async (t) => {
  const cluster = await Cluster.start(t);
  await cluster.apply(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
    DEFINITION,
    deployment('v1', 2),
    deployment('v2', 1),
    SERVICE,
  );
  await cluster.kubectl('-n', 'shop', 'rollout', 'status', 'deployment', '--timeout=120s');
  const follow = ['--kubernetes', '--kubeconfig', cluster.kubeconfig];
  cluster.startRoost(t, 'control-plane', ...follow, '--namespaces', 'shop', '--log-level', 'error');
  cluster.startRoost(
    t,
    ...['sidecar', '--service', 'caller.shop', '--control-plane', '127.0.0.1:15010', '--log-level', 'error'],
  );
  const calls = async (count: number, pauseMs = 0) =>
    JSON.parse(await cluster.run(process.execPath, '-e', CALLS, String(count), String(pauseMs))) as Record<
      string,
      number
    >;
  const only = async (what: string, ...answers: readonly string[]) =>
    eventually(what, async () => {
      const seen = Object.keys(await calls(20).catch(() => ({})));
      return seen.sort().join() === answers.join();
    });

  await t.test('a Service without a MeshService leads to all of its pods', async () => {
    await only('both releases answer', 'v1', 'v2');
  });

  await t.test('a MeshService splits the pods by their labels', async () => {
    await cluster.apply(CANARY);
    await only('only v2 answers', 'v2');
  });

  await t.test('a rolling restart under load fails no call', async (t) => {
    const load = calls(400, 20);
    await cluster.kubectl('-n', 'shop', 'rollout', 'restart', 'deployment/cart-v2');
    await cluster.kubectl('-n', 'shop', 'rollout', 'status', 'deployment/cart-v2', '--timeout=120s');
    t.strictSame(await load, { v2: 400 });
  });

  await t.test('pods that are gone are told, with the field', async () => {
    await cluster.kubectl('-n', 'shop', 'scale', 'deployment/cart-v2', '--replicas=0');
    await eventually('roost status says so', async () =>
      (await cluster.roost('status')).includes(
        'cart.shop: spec.versions[1].selector: no pod of Service shop/cart has the labels version=v2',
      ),
    );
  });

  await t.test('without its MeshService, the Service is meshed as it is again', async () => {
    await cluster.kubectl('-n', 'shop', 'delete', 'meshservice', 'cart');
    await only('v1, which is left, answers', 'v1');
  });
});
