import t from 'tap';
import { whyNoNamespaces } from '../../support/network-namespaces.js';
import { Pods, serviceAt } from '../../support/pods.js';

// Processes in network namespaces, one after the other: no limit for a machine that is busy.
t.setTimeout(120_000);

const skip = whyNoNamespaces();
const CHECKOUT = '10.96.0.10';

t.test('an app is found where it listens', { skip }, async (t) => {
  const pods = await Pods.start(t);
  const caller = await pods.meshed('frontend');
  const pod = await pods.meshed('checkout');
  await pod.app.serve('loopback', '127.0.0.1', 8081);
  await pod.app.serve('pod', pod.ipv4, 8082);
  await pod.app.listen('raw', '127.0.0.1', 6379);
  pods.apply(
    serviceAt('lo', ['10.96.0.31'], { v1: [`${pod.ipv4}:8081`] }),
    serviceAt('own', ['10.96.0.32'], { v1: [`${pod.ipv4}:8082`] }),
  );
  t.match(JSON.parse((await caller.app.request('http://10.96.0.31/')).body), { app: 'loopback' });
  t.match(JSON.parse((await caller.app.request('http://10.96.0.32/')).body), { app: 'pod' });
  t.match(await caller.app.connect(pod.ipv4, 6379), /^raw /);
  const nobody = await caller.app.request(`http://${pod.ipv4}:8083/`);
  t.equal(nobody.status, 502);
});

t.test(
  'a sidecar that is killed fails calls at once, and serves again when it is back',
  { skip },
  async (t) => {
    const pods = await Pods.start(t);
    const caller = await pods.meshed('frontend');
    const pod = await pods.meshed('checkout');
    await pod.app.serve('v1', '::', 8080);
    pods.apply(serviceAt('checkout', [CHECKOUT], { v1: [`${pod.ipv4}:8080`] }));
    t.equal((await caller.app.request(`http://${CHECKOUT}/`)).status, 200);
    await caller.sidecar.kill('SIGKILL');
    t.equal((await caller.app.request(`http://${CHECKOUT}/`)).body, 'ECONNREFUSED');
    await pods.startSidecar(caller, 'frontend');
    t.equal((await caller.app.request(`http://${CHECKOUT}/`)).status, 200);
  },
);

t.test('unknown hosts are refused where passthrough is denied', { skip }, async (t) => {
  const pods = await Pods.start(t);
  const caller = await pods.meshed('frontend', ['--unknown', 'deny']);
  const outside = pods.plain();
  const stranger = await outside.startAgent();
  await stranger.serve('outside', '::', 80);
  t.equal((await caller.app.request(`http://${outside.ipv4}/`)).status, 404);
});

t.test('calls survive latency and loss on the network', { skip }, async (t) => {
  const pods = await Pods.start(t);
  const caller = await pods.meshed('frontend');
  const slow = caller.run([
    'tc',
    'qdisc',
    'add',
    'dev',
    'eth0',
    'root',
    'netem',
    'delay',
    '20ms',
    '5ms',
    'loss',
    '2%',
  ]);
  if (slow.code !== 0) {
    t.test('netem', { skip: `this kernel has none: ${slow.stderr.trim()}` }, async () => {});
    return;
  }
  const pod = await pods.meshed('checkout');
  await pod.app.serve('v1', '::', 8080);
  pods.apply(serviceAt('checkout', [CHECKOUT], { v1: [`${pod.ipv4}:8080`] }));
  const answers = await caller.app.sessions(`http://${CHECKOUT}/`, 0, 200);
  t.same(answers, Array(200).fill('v1'));
});
