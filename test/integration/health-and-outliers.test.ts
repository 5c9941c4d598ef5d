import type { ServerResponse } from 'node:http';
import t, { type Test } from 'tap';
import type { Sidecar } from '../../sidecar/sidecar.js';
import { Backend, echo, type Handler } from '../support/backend.js';
import { type Answer, caller } from '../support/calls.js';
import { type ClusterStatus, clusterStatus, type EndpointStatus } from '../support/cluster-status.js';
import { newService } from '../support/http1/paths.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';

let mesh: TestMesh;
let sidecar: Sidecar;
t.before(async () => {
  mesh = await TestMesh.start(t);
  sidecar = await mesh.sidecar({ drainTimeoutMs: 0 });
});

/** A service behind backends of its own, and what a test does with it. */
class Service {
  /** Backends, by name, that answer every request with this status; 0: with nothing. */
  readonly statuses = new Map<string, number>();
  readonly held: ServerResponse[] = [];
  private resource: ReturnType<typeof newService> = newService([]);
  private backends: readonly Backend[] = [];
  private readonly call: ReturnType<typeof caller>;

  private constructor(t: Test) {
    this.call = caller(t, sidecar.addresses.outbound);
  }

  static async start(t: Test, count: number, spec: object): Promise<Service> {
    const service = new Service(t);
    const handler: Handler = (request, response, backend) => {
      const status = request.url === '/healthz' && !service.statuses.has(backend.name) ? 200 : undefined;
      const wanted = status ?? service.statuses.get(backend.name);
      if (wanted === undefined) echo(request, response, backend);
      else if (wanted === 0) service.held.push(response);
      else response.writeHead(wanted).end();
    };
    service.backends = await Promise.all(
      Array.from({ length: count }, (_, i) => Backend.start(t, `b${i}`, handler)),
    );
    service.resource = newService(
      service.backends.map(({ address }) => address),
      spec,
    );
    await mesh.apply(service.resource);
    return service;
  }

  async change(spec: object): Promise<void> {
    this.resource = { ...this.resource, spec: { ...this.resource.spec, ...spec } };
    await mesh.apply(this.resource);
  }

  get(headers: Record<string, string> = {}): Promise<Answer> {
    return this.call(this.resource.metadata.name, { headers });
  }

  /** Answers of so many calls, one after the other, as `200 b1`. */
  async calls(times: number, headers: Record<string, string> = {}): Promise<string[]> {
    const answers: string[] = [];
    for (let i = 0; i < times; i++) {
      const { status, backend } = await this.get(headers);
      answers.push(`${status} ${backend}`);
    }
    return answers;
  }

  status(): Promise<ClusterStatus> {
    return clusterStatus(sidecar.addresses.admin, `shop/${this.resource.metadata.name}/v1`);
  }

  /** Of the backend with this name. */
  async endpoint(name: string): Promise<EndpointStatus> {
    const backend = this.backends.find((b) => b.name === name);
    const { endpoints } = await this.status();
    return endpoints.find(({ address }) => address === backend?.address) as EndpointStatus;
  }

  /** Waits until a session is pinned to another backend than the one with this name. */
  async pinLeaves(user: string, name: string): Promise<void> {
    const { address } = await this.endpoint(name);
    await mesh.pinLeaves(`shop/${this.resource.metadata.name}`, user, address);
  }

  release(): void {
    for (const response of this.held.splice(0)) response.end('late');
  }
}

const outlier = {
  consecutiveErrors: 2,
  baseEjectionTime: '1h',
  maxEjectionTime: '1h',
  maxEjectionPercent: 50,
};

t.test('an endpoint that answers with errors is ejected: nobody meets it again', async (t) => {
  const service = await Service.start(t, 3, { outlier, loadBalancer: 'round-robin' });
  service.statuses.set('b1', 500);
  const before = await service.calls(6);
  t.equal(before.filter((answer) => answer === '500 ').length, 2);
  t.match(await service.endpoint('b1'), { ejected: true, healthy: false });
  t.notOk((await service.calls(20)).includes('500 '));
  service.statuses.clear();
  await service.change({ outlier: undefined });
  t.match(await service.endpoint('b1'), { ejected: false, healthy: true });
  t.ok((await service.calls(6)).includes('200 b1'));
});

t.test('an ejection ends by itself', async (t) => {
  const service = await Service.start(t, 2, { outlier: { ...outlier, baseEjectionTime: '100ms' } });
  service.statuses.set('b0', 503);
  await eventually('an ejection', async () => {
    await service.get();
    return (await service.endpoint('b0')).ejected;
  });
  await eventually('its end', async () => !(await service.endpoint('b0')).ejected);
});

t.test('the pin of a session on an ejected endpoint is replaced, and stays so (S5)', async (t) => {
  const affinity = { key: [{ header: 'x-user-id' }], version: 'persistent', endpoint: 'persistent' };
  const service = await Service.start(t, 3, { outlier, affinity });
  const session = { 'x-user-id': 'ann' };
  const [first = ''] = await service.calls(1, session);
  const home = first.replace('200 ', '');
  service.statuses.set(home, 502);
  t.strictSame(await service.calls(2, session), ['502 ', '502 ']);
  const [second = ''] = await service.calls(1, session);
  t.match(second, /^200 b\d$/);
  await service.pinLeaves('ann', home);
  service.statuses.clear();
  await service.change({ outlier: undefined });
  t.equal((await service.endpoint(home)).ejected, false);
  t.strictSame(await service.calls(3, session), [second, second, second]);
});

t.test('an endpoint that gives no answer in time is ejected, too', async (t) => {
  const routes = [{ name: 'default', split: [{ version: 'v1', weight: 1 }], timeout: '300ms' }];
  const service = await Service.start(t, 2, { outlier, routes, loadBalancer: 'round-robin' });
  service.statuses.set('b0', 0);
  const answers = await service.calls(4);
  t.equal(answers.filter((answer) => answer.startsWith('504')).length, 2);
  t.match(await service.endpoint('b0'), { ejected: true });
});

t.test('over the limit: refused at once, with when to come back, and never queued', async (t) => {
  const service = await Service.start(t, 2, { limits: { requests: 2 } });
  for (const name of ['b0', 'b1']) service.statuses.set(name, 0);
  const under = [service.get(), service.get()];
  await eventually('two are in flight', () => service.held.length === 2);
  const refused = await service.get();
  t.equal(refused.status, 503);
  t.equal(refused.headers['x-roost-error'], 'overloaded');
  t.equal(refused.headers['retry-after'], '1');
  t.match(refused.body, 'too much to do: v1 of service-');
  t.match(refused.body, ': 2 requests in flight, the limit\n');
  t.match(await service.status(), { requests: 2, shed: { requests: 1 } });
  service.release();
  for (const { status } of await Promise.all(under)) t.equal(status, 200);
  service.statuses.clear();
  t.match(await service.calls(1), [/^200 /]);
  t.equal((await service.status()).requests, 0);
});

t.test('a full endpoint: a request goes to another one, that of a session does not', async (t) => {
  const affinity = { key: [{ header: 'x-user-id' }], version: 'balanced', endpoint: 'balanced' };
  const limits = { perEndpoint: { requests: 1 } };
  const service = await Service.start(t, 2, { limits, affinity });
  const session = { 'x-user-id': 'bob' };
  const [first = ''] = await service.calls(1, session);
  const home = first.replace('200 ', '');
  service.statuses.set(home, 0);
  const under = service.get(session);
  await eventually('it is in flight', () => service.held.length === 1);
  t.match(await service.get(session), { status: 503, headers: { 'x-roost-error': 'overloaded' } });
  t.match(await service.get(), { status: 200 });
  t.match(await service.get(), { status: 200 });
  service.release();
  t.equal((await under).status, 200);
});

t.test('a try without an answer in its time is retried on another endpoint', async (t) => {
  const split = [{ version: 'v1', weight: 1 }];
  const retries = { attempts: 1, on: ['reset'], perTryTimeout: '300ms' };
  const service = await Service.start(t, 2, { routes: [{ name: 'default', split, retries }] });
  service.statuses.set('b0', 0);
  t.strictSame(new Set(await service.calls(6)), new Set(['200 b1']));
  t.ok(service.held.length > 0, 'some had to be');
});

t.test('a retry that the budget does not allow is not made', async (t) => {
  const split = [{ version: 'v1', weight: 1 }];
  const routes = [{ name: 'default', split, retries: { attempts: 1, on: ['503'] } }];
  const limits = (minimum: number) => ({ retryBudget: { percent: 0, minimum } });
  const service = await Service.start(t, 2, { routes, limits: limits(1), loadBalancer: 'round-robin' });
  service.statuses.set('b0', 503);
  t.strictSame(new Set(await service.calls(6)), new Set(['200 b1']), 'given back every time');
  await service.change({ limits: limits(0) });
  t.strictSame(new Set(await service.calls(4)), new Set(['200 b1', '503 ']));
  t.equal((await service.status()).retriesRefused, 2);
});

t.test(
  'an endpoint that dies with many requests in its hands: all of them are answered elsewhere',
  async (t) => {
    const split = [{ version: 'v1', weight: 1 }];
    const routes = [{ name: 'default', split, retries: { attempts: 1, on: ['reset'] } }];
    const service = await Service.start(t, 2, { routes, loadBalancer: 'round-robin' });
    service.statuses.set('b0', 0);
    const calls = Array.from({ length: 60 }, () => service.calls(1));
    await eventually('half of them are held', async () => service.held.length === 30);
    for (const { socket } of service.held.splice(0)) socket?.destroy();
    t.strictSame(new Set((await Promise.all(calls)).flat()), new Set(['200 b1']));
    t.equal((await service.status()).retriesRefused, 0);
  },
);

t.test('active checks take an endpoint out before anybody meets it, and put it back', async (t) => {
  const health = { path: '/healthz', interval: '50ms', unhealthyThreshold: 2, healthyThreshold: 2 };
  const service = await Service.start(t, 2, { health });
  await service.calls(1);
  service.statuses.set('b1', 500);
  await eventually('it fails', async () => (await service.endpoint('b1')).failingChecks);
  t.match(await service.endpoint('b1'), { healthy: false, lastCheck: 'status 500' });
  t.strictSame(new Set(await service.calls(10)), new Set(['200 b0']));
  service.statuses.clear();
  await eventually('it passes', async () => (await service.endpoint('b1')).healthy);
  const seen = new Set<string>();
  await eventually('it is called again', async () => {
    for (const answer of await service.calls(5)) seen.add(answer);
    return seen.has('200 b1');
  });
});

t.test('panic: when too few are well, all are asked', async (t) => {
  const service = await Service.start(t, 2, {
    outlier: { ...outlier, panicThreshold: 60 },
    loadBalancer: 'round-robin',
  });
  service.statuses.set('b0', 500);
  const answers = await service.calls(12);
  t.ok(answers.filter((answer) => answer === '500 ').length >= 5, answers.join());
  t.match(await service.status(), { panicking: true });
});

t.test('an app that answers to its own hosts only passes its checks', async (t) => {
  const seen = new Set<string>();
  const strict: Handler = ({ headers: { host = '', 'x-probe': probe = '' } }, response) => {
    seen.add(`${host} ${String(probe)}`);
    response.writeHead(/^(service-\d+\.shop|pay\.internal:8080)$/.test(host) ? 200 : 400).end();
  };
  const app = await Backend.start(t, 'strict', strict);
  const check = { path: '/healthz', interval: '50ms', unhealthyThreshold: 1, healthyThreshold: 1 };
  const service = newService([app.address], { health: check });
  await mesh.apply(service);
  const call = caller(t, sidecar.addresses.outbound);
  // Endpoints are checked of services that are called.
  const { name } = service.metadata;
  t.equal((await call(`${name}.shop`)).status, 200);
  await eventually('it is checked', () => seen.has(`${name}.shop `) && app.requests > 3);
  const health = { ...check, host: 'pay.internal:8080', headers: { 'x-probe': 'roost' } };
  await mesh.apply({ ...service, spec: { ...service.spec, health } });
  await eventually('by what it is told', () => seen.has('pay.internal:8080 roost'));
  t.equal((await call(`${name}.shop`)).status, 200, 'it is usable');
  t.notOk(
    [...seen].some((each) => each.startsWith('127.')),
    'no check names an address',
  );
});
