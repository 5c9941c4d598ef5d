import t from 'tap';
import { request } from 'undici';
import { Backend, echo, type Handler, versionsOf } from '../support/backend.js';
import { inParallel } from '../support/calls.js';
import { clusterStatus, type EndpointStatus } from '../support/cluster-status.js';
import { newService } from '../support/http1/paths.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';

/** By turns: an answer, an error, a reset, none at all, and half an answer. */
function unreliable(): Handler {
  let turn = 0;
  return (request, response, backend) => {
    switch (turn++ % 7) {
      case 1:
        response.writeHead(503).end();
        return;
      case 2:
        request.socket.destroy();
        return;
      case 3:
        return;
      case 4:
        response.writeHead(200, { 'content-length': '10' }).write('half');
        setImmediate(() => request.socket.destroy());
        return;
      default:
        echo(request, response, backend);
    }
  };
}

t.test('whatever becomes of requests, nothing stays on the books: limits do not creep shut', async (t) => {
  const mesh = await TestMesh.start(t);
  const sidecar = await mesh.sidecar({ drainTimeoutMs: 0 });
  const handler = unreliable();
  const backends = await Promise.all([1, 2, 3].map((n) => Backend.start(t, `b${n}`, handler)));
  const [refusing] = backends as [Backend, ...Backend[]];
  const retries = { attempts: 2, on: ['connect-failure', 'reset', '5xx'], perTryTimeout: '100ms' };
  const limits = { requests: 12, pending: 6, connections: 8, perEndpoint: { requests: 6, connections: 4 } };
  const service = newService([], {
    versions: versionsOf(new Map([['v1', backends]])),
    routes: [{ name: 'default', split: [{ version: 'v1', weight: 1 }], retries, timeout: '2s' }],
    outlier: { consecutiveErrors: 5, baseEjectionTime: '100ms', maxEjectionPercent: 40 },
    limits,
  });
  await mesh.apply(service);
  const host = service.metadata.name;
  const outcomes = new Map<string, number>();
  const visit = async (n: number): Promise<string> => {
    // Every fifth client leaves, sooner or later.
    const signal = n % 5 === 0 ? AbortSignal.timeout(1 + (n % 60)) : null;
    try {
      const { statusCode, body } = await request(`http://${sidecar.addresses.outbound}/`, {
        headers: { host },
        signal,
      });
      await body.text();
      return String(statusCode);
    } catch (error) {
      return (error as Error).name;
    }
  };
  await inParallel(Array.from(Array(600).keys()), 30, async (n) => {
    if (n === 200) await refusing.stop();
    if (n === 400) await refusing.restart();
    const outcome = await visit(n);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  });
  for (const outcome of ['200', '503', 'TimeoutError'])
    t.ok(outcomes.has(outcome), `${outcome}: ${JSON.stringify([...outcomes])}`);

  const status = () => clusterStatus(sidecar.addresses.admin, `shop/${host}/v1`);
  await eventually('nothing is under way', async () => {
    const { requests, pending, retries } = await status();
    return requests === 0 && pending === 0 && retries === 0;
  });
  const after = await status();
  t.ok(
    Object.values(after.shed).some((count) => count > 0),
    'some met a limit',
  );
  const sum = (of: (e: EndpointStatus) => number) => after.endpoints.reduce((total, e) => total + of(e), 0);
  t.equal(
    sum((e) => e.activeRequests),
    0,
  );
  t.equal(
    sum((e) => e.connections),
    after.connections,
  );
  await eventually('it serves as before', async () => (await visit(1)) === '200');
});
