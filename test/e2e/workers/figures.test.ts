import t from 'tap';
import { persistent } from '../../support/case-world.js';
import { type Family, sumOf } from '../../support/exposition.js';
import { eventually } from '../../support/processes.js';
import { LINUX_ONLY } from '../../support/two-workers.js';
import { WORKERS, WorkerWorld } from '../../support/worker-world.js';

/** What a sidecar shows of itself is true of all of its workers together. */

let world: WorkerWorld;
t.before(async () => {
  if (!('skip' in LINUX_ONLY))
    world = await WorkerWorld.start(t, ['--access-log', 'all', '--debug-sample', '1']);
});
const REQUESTS = 4000;

const valueIn = (families: Map<string, Family>, name: string, labels = {}) =>
  sumOf(families.get(name), labels);

t.test('every request is counted once, wherever it was carried', LINUX_ONLY, async (t) => {
  const service = await world.cases.service(
    t,
    { v1: 2, v2: 2 },
    { v1: 50, v2: 50 },
    { affinity: persistent },
  );
  const users = Array.from({ length: REQUESTS }, (_, i) => i % 500);
  await world.all(users.map((user) => service.request(user)));
  const nobody = await world.all(Array.from({ length: 100 }, () => ({ host: 'nobody.shop' })));
  t.ok(nobody.every(({ status }) => status === 404));
  const labels = { service: service.host };
  await eventually(
    'all have ended',
    async () => valueIn(await world.metrics(), 'roost_active_requests') === 0,
  );
  const families = await world.metrics();
  const answered = (release: string) =>
    (service.backends.get(release) ?? []).reduce((sum, { requests }) => sum + requests, 0);
  t.equal(valueIn(families, 'roost_requests_total', { ...labels, code: '200' }), REQUESTS);
  for (const release of ['v1', 'v2'])
    t.equal(valueIn(families, 'roost_requests_total', { ...labels, release }), answered(release), release);
  const durations = families.get('roost_request_duration_seconds')?.samples ?? [];
  const count = durations.filter(
    ({ name, labels }) => name.endsWith('_count') && labels.service === service.host,
  );
  t.equal(
    count.reduce((sum, { value }) => sum + value, 0),
    REQUESTS,
  );
  t.equal(valueIn(families, 'roost_upstream_requests_total'), REQUESTS);
  t.equal(valueIn(families, 'roost_own_answers_total', { error: 'unknown-host' }), 100);
  t.equal(valueIn(families, 'roost_upstream_active_requests'), 0);
  const byWorker = await world.requestsByWorker();
  t.equal(
    byWorker.reduce((sum, requests) => sum + requests, 0),
    REQUESTS + 100,
  );
  t.ok(
    byWorker.every((requests) => requests > 0),
    byWorker.join(),
  );
  t.equal(valueIn(families, 'roost_sessions'), 500);
  t.equal(
    valueIn(families, 'roost_downstream_connections', { direction: 'outbound' }),
    valueIn(families, 'roost_worker_connections'),
  );
  t.equal(families.get('roost_worker_requests_total')?.samples.length, WORKERS);
});

t.test('/clusters shows the sums, and /debug/requests the newest of all workers', LINUX_ONLY, async (t) => {
  const service = await world.cases.service(t, { v1: 1 }, { v1: 1 });
  await world.all(Array.from({ length: 200 }, () => service.request('anybody')));
  const read = async (path: string) => (await fetch(`http://${world.sidecar.admin}${path}`)).json();
  const { clusters } = (await read('/clusters')) as {
    clusters: { name: string; endpoints: { requests: number; connections: number }[] }[];
  };
  const endpoint = clusters.find(({ name }) => name.includes(service.name))?.endpoints[0];
  t.equal(endpoint?.requests, 200);
  const { requests } = (await read('/debug/requests?n=100')) as {
    requests: { time: string; service: string }[];
  };
  t.equal(requests.length, 100);
  const times = requests.map(({ time }) => time);
  t.same(times, [...times].sort().reverse(), 'the newest first');
});

t.test('the log has a line for every request, and every line is whole', LINUX_ONLY, async (t) => {
  const { log } = world.sidecar.process;
  const lines = () => log.filter(({ component }) => component === 'access');
  await eventually('all are written', () => lines().length >= REQUESTS + 300);
  t.equal(lines().length, REQUESTS + 300);
  t.equal(lines().filter(({ status }) => status === 404).length, 100);
});
