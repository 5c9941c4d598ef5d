import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { INSECURE } from '../../../../src/access/channel-security.js';
import {
  type ChangeResponse,
  configServiceConstructor,
  loadApiDefinition,
  REQUEST_ID_METADATA,
} from '../../../../src/api/config-service.js';
import { ControlPlaneClient } from '../../../../src/cli/client.js';

type Call = ServerUnaryCall<object, object>;
type Callback = sendUnaryData<object>;

/** A control plane that answers an apply as the test says. */
async function start(t: Test, onApply: (call: Call, callback: Callback) => void): Promise<number> {
  const server = new Server();
  server.addService(configServiceConstructor(loadApiDefinition()).service, {
    Apply: onApply,
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  t.teardown(() => server.forceShutdown());
  return port;
}

t.test('what became of a change is asked after it has had its time, however long that was', async (t) => {
  const asked: string[] = [];
  const port = await start(t, (call, callback) => {
    asked.push(String(call.metadata.get(REQUEST_ID_METADATA)));
    // The first is never answered.
    if (asked.length > 1) callback(null, { revision: 7, changed: true });
  });
  const client = new ControlPlaneClient({ host: '127.0.0.1', port }, '', INSECURE, { resolveMs: 50 });
  t.teardown(() => client.close());
  const { revision } = await client.call<ChangeResponse>('Apply', { documents: [] }, 400);
  t.equal(revision, 7);
  t.equal(asked.length, 2);
  t.equal(asked[0], asked[1], 'under its own name');
});

t.test('a change that nobody answers has an unknown outcome', async (t) => {
  const port = await start(t, () => {});
  const client = new ControlPlaneClient({ host: '127.0.0.1', port }, '', INSECURE, { resolveMs: 0 });
  t.teardown(() => client.close());
  await t.rejects(client.call('Apply', { documents: [] }, 100), { exitCode: 3, message: /not known/ });
});
