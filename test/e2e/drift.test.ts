import { Client, credentials } from '@grpc/grpc-js';
import t from 'tap';
import { stringify } from 'yaml';
import { csdsClient, statusLines } from '../support/csds.js';
import { loadXds, which } from '../support/grpc-xds.js';
import { eventually, roost, startControlPlane, startSidecar } from '../support/processes.js';
import { meshService } from '../support/shop.js';

/**
 * `roost status` and CSDS, through processes: what was sent, what each client runs, and where the two differ. A sidecar
 * that is stopped (SIGSTOP) answers nothing; a real gRPC client refuses what it cannot do.
 */

const ID = 'roost-sidecar';

t.test('a sidecar that does not answer, and a gRPC client that refuses, are shown by name', async (t) => {
  const controlPlane = await startControlPlane(t);
  const at = ['--control-plane', controlPlane.grpc];
  const apply = (resource: object) =>
    roost(['apply', '-f', '-', '--timeout', '1s', ...at], { input: stringify(resource) });
  const status = async () => (await roost(['status', ...at])).stdout;
  const cart = (spec: object = {}) => meshService('cart.shop', { v1: 1 }, spec);
  t.equal((await apply(cart())).code, 0);
  const bootstrap = {
    xds_servers: [{ server_uri: controlPlane.grpc, channel_creds: [{ type: 'insecure' }] }],
    node: { id: ID },
  };
  const sidecar = await startSidecar(t, ['--service', 'web.shop', '--csds', '127.0.0.1:0', ...at], {
    GRPC_XDS_BOOTSTRAP_CONFIG: JSON.stringify(bootstrap),
  });
  await sidecar.process.logged('the first configuration is in force');
  await eventually('it is in sync', async () => /1 client \(1 in sync\)/.test(await status()));
  t.notMatch(await status(), /not running what is served/);

  sidecar.process.child.kill('SIGSTOP');
  await apply(cart({ loadBalancer: 'round-robin' }));
  const behind = await status();
  t.match(behind, /1 client \(0 in sync\)/);
  t.match(behind, `  ${ID}: cluster shop/cart/v1: the newest version was sent and is not answered\n`);
  const ours = csdsClient(t, controlPlane.grpc);
  t.ok(statusLines(await ours.once({})).includes('cluster shop/cart/v1 STALE REQUESTED'));
  sidecar.process.child.kill('SIGCONT');
  await eventually('it has caught up', async () => /1 client \(1 in sync\)/.test(await status()));
  t.notMatch(await status(), /not running what is served/);
  t.ok(statusLines(await ours.once({})).includes('cluster shop/cart/v1 SYNCED ACKED'));
  const theirs = statusLines(await csdsClient(t, sidecar.csds as string).once({}));
  t.ok(theirs.includes('cluster shop/cart/v1 ACKED'), 'both sides say the same');

  await loadXds(controlPlane.grpc, 'shop');
  const client = new Client('xds:///cart.shop', credentials.createInsecure());
  t.teardown(() => client.close());
  await which(client).catch(() => 'nobody listens there');
  await eventually('there are two', async () => /2 clients \(2 in sync\)/.test(await status()));
  // Redirects are nothing that gRPC clients know.
  const redirect = { routes: [{ name: 'moved', redirect: { path: '/new' } }] };
  await apply(cart(redirect));
  await eventually('it is told', async () =>
    /a grpc app: route shop\/cart: the newest version was rejected/.test(await status()),
  );
  const rejected = await status();
  t.match(rejected, /a grpc app +grpc .* REJECTED/);
  t.match(rejected, /\nrejected:\n {2}a grpc app: route of revision \d+: .*redirect/s);
  t.notMatch(rejected, new RegExp(`${ID}: `), 'the sidecar runs it');
  await apply(cart());
  await eventually('all is well again', async () => /2 clients \(2 in sync\)/.test(await status()));
});
