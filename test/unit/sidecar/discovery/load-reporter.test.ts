import { Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { ControlPlanes } from '../../../../sidecar/discovery/control-planes.js';
import { LoadReporter } from '../../../../sidecar/discovery/load-reporter.js';
import { INSECURE } from '../../../../src/access/channel-security.js';
import { createLogger } from '../../../../src/telemetry/logger.js';
import { type Message, serviceDefinition } from '../../../../src/xds/descriptors.js';
import { type ClusterLoad, decodeLoadReport, LRS_SERVICE } from '../../../../src/xds/load-report.js';
import { eventually } from '../../../support/processes.js';

type LoadCall = ServerDuplexStream<Message, object>;

const LOAD: ClusterLoad = {
  cluster: 'shop/cart/v1',
  endpoints: [
    {
      address: '10.0.0.1:80',
      issued: 2,
      succeeded: 1,
      failed: 1,
      inFlight: 0,
      timed: 0,
      latencySumMs: 3,
      pins: 4,
    },
  ],
};

/** A load reporting server that does as the test says, and a client of it. */
async function start(t: Test, onCall: (call: LoadCall) => void, withService = true) {
  const server = new Server();
  const calls: LoadCall[] = [];
  const implementation = {
    StreamLoadStats(call: LoadCall) {
      calls.push(call);
      call.on('error', () => {});
      onCall(call);
    },
  };
  if (withService) server.addService(serviceDefinition(LRS_SERVICE), implementation);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  let collected = 0;
  const logged: string[] = [];
  const log = createLogger('test', 'silent');
  const reporter = new LoadReporter({
    controlPlanes: new ControlPlanes([{ address: { host: '127.0.0.1', port }, security: INSECURE }]),
    node: { id: 'sidecar-1' },
    waiting: () => ['shop/cart'],
    collect: async () => {
      collected++;
      return [LOAD];
    },
    async *survey({ id }) {
      yield { id, total: 0, sessions: [], isLast: true };
    },
    log: Object.assign(Object.create(log), { debug: (_: object, message: string) => logged.push(message) }),
  });
  t.teardown(() => {
    reporter.close();
    server.forceShutdown();
  });
  reporter.start();
  return { calls, logged, collected: () => collected };
}

const ask = (call: LoadCall, nanos: number) =>
  call.write({ sendAllClusters: true, loadReportingInterval: { nanos } });

t.test('says who it is, waits to be asked, then reports in the rhythm asked for', async (t) => {
  const requests: Message[] = [];
  const { calls, collected } = await start(t, (call) => {
    call.on('data', (request: Message) => requests.push(request));
  });
  await eventually('it has said who it is', () => requests.length === 1);
  t.match(requests[0], { node: { id: 'sidecar-1' }, clusterStats: [] });
  t.equal(collected(), 0, 'nothing is collected for a server that asks for nothing');
  ask(calls[0] as LoadCall, 100e6);
  await eventually('it reports again and again', () => requests.length >= 4);
  const { clusters, intervalMs, waiting } = decodeLoadReport(requests[2] as Message);
  t.same(clusters, [LOAD]);
  t.same(waiting, ['shop/cart']);
  t.ok(intervalMs >= 99, `the interval is the time since the report before: ${intervalMs} ms`);
});

t.test('a server that asks for a report every nanosecond gets ten a second', async (t) => {
  let reports = 0;
  const { calls } = await start(t, (call) => call.on('data', () => reports++));
  await eventually('it is there', () => reports === 1);
  const startedAt = performance.now();
  ask(calls[0] as LoadCall, 1);
  await eventually('it reports', () => reports >= 5);
  t.ok(performance.now() - startedAt >= 399);
});

t.test('comes back when the stream breaks, and reports what has happened meanwhile', async (t) => {
  let reports = 0;
  const { calls } = await start(t, (call) => {
    call.on('data', (request: Message) => (reports += (request.clusterStats as unknown[]).length));
    ask(call, 100e6);
  });
  await eventually('the first stream reports', () => reports > 0);
  calls[0]?.emit('error', { code: status.UNAVAILABLE, details: 'broken by the test' });
  await eventually('there is a second stream', () => calls.length === 2);
  const before = reports;
  await eventually('the second stream reports', () => reports > before);
});

t.test('a server without load reporting is not asked again and again', async (t) => {
  const { logged } = await start(t, () => {}, false);
  await eventually('it notices', () => logged.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  t.equal(logged.length, 1);
});
