import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import type { StatusResponse } from '../../src/api/config-service.js';
import { ETCD, EtcdCluster } from '../support/etcd.js';
import { metric } from '../support/exposition.js';
import { FastCaller, startBackends } from '../support/fast-traffic.js';
import {
  eventually,
  type RoostProcess,
  roost,
  startControlPlane,
  startSidecar,
} from '../support/processes.js';
import { checkout } from '../support/shop.js';
import { TcpProxy } from '../support/tcp-proxy.js';

t.setTimeout(180_000);

interface Replica {
  readonly name: string;
  readonly process: RoostProcess;
  readonly grpc: string;
  readonly http: string;
}

async function startReplica(t: Test, name: string, store: string): Promise<Replica> {
  return { name, ...(await startControlPlane(t, ['--store', store, '--replica', name])) };
}

async function ok(args: string, controlPlane: string, input = ''): Promise<string> {
  const { code, stdout, stderr } = await roost(args.split(' '), {
    env: { ROOST_CONTROL_PLANE: controlPlane, ROOST_ACTOR: 'ann' },
    input,
  });
  t.same([code, stderr], [0, ''], args);
  return stdout;
}

t.test('two control planes over one etcd are one to whoever uses them', { skip: ETCD.skip }, async (t) => {
  const etcd = await EtcdCluster.start(t);
  const [a, b] = [await startReplica(t, 'a', etcd.store()), await startReplica(t, 'b', etcd.store())];
  const backends = await startBackends(t, { v1: 1, v2: 1 });
  const versions = [...backends].map(([name, list]) => ({
    name,
    endpoints: list.map(({ address }) => ({ address })),
  }));
  const both = `${a.grpc},${b.grpc}`;
  const sidecars = await Promise.all(
    [both, a.grpc, b.grpc].map((controlPlanes) =>
      startSidecar(t, ['--service', 'frontend.shop', '--control-plane', controlPlanes]),
    ),
  );
  const [roaming] = sidecars as [(typeof sidecars)[number]];
  for (const { admin } of sidecars)
    await eventually('ready', async () => (await fetch(`http://${admin}/ready`)).status === 200);
  const service = stringify(checkout({ split: { v1: 1 }, spec: { versions } }));
  t.equal(
    await ok('apply -f -', a.grpc, service),
    'checkout.shop: revision 1, in force on 3 clients\n',
    'waits for the clients of both',
  );
  const call = new FastCaller(t, roaming.outbound);
  t.match(await call.one({ host: 'checkout' }), { status: 200, body: 'v1-1' });

  const status = JSON.parse(await ok('status -o json', both)) as StatusResponse;
  t.match(status, { replica: 'a', revision: 1, storeProblem: '', others: [{ name: 'b', revision: 1 }] });
  t.equal(status.clients.length + (status.others[0]?.clients ?? 0), 3);
  t.match(await ok('status', b.grpc), /control plane b, version .*\n\nOTHER CONTROL PLANE .*\na /s);
  t.equal(await metric(a.http, 'roost_control_plane_replicas'), 2);

  // A change at one is refused at the other where it expects what is over.
  await ok('split checkout.shop v1=50 v2=50 --expect-revision 1', b.grpc);
  const lost = await roost('split checkout.shop v1=1 v2=1 --expect-revision 1'.split(' '), {
    env: { ROOST_CONTROL_PLANE: a.grpc },
  });
  t.equal(lost.code, 1);
  t.match(lost.stderr, /expected at revision 1, but it is at revision 2.*by ann/s);

  // The sidecar moves to the other control plane, and is sent nothing that it has.
  const isAt = async (replica: Replica) => {
    const { clients } = JSON.parse(await ok('status -o json', replica.grpc)) as StatusResponse;
    return clients.length === 2;
  };
  const [first, second] = (await isAt(a)) ? [a, b] : [b, a];
  const sent = (type: string) => metric(second.http, `roost_control_plane_responses_total{type="${type}"}`);
  const before = [await sent('route'), await sent('cluster'), await sent('endpoint')];
  const changedBefore = await metric(roaming.admin, 'roost_configuration_age_seconds');
  await first.process.kill('SIGKILL');
  await eventually('the sidecar is at the other', () => isAt(second));
  t.same([await sent('route'), await sent('cluster'), await sent('endpoint')], before);
  t.ok((await metric(roaming.admin, 'roost_configuration_age_seconds')) > changedBefore);

  // The command goes on to the one that answers. The lost replica's clients are not waited for once it is known to be gone.
  await eventually(
    'the others know that it is gone',
    async () => (await metric(second.http, 'roost_control_plane_replicas')) === 1,
  );
  t.match(
    await ok('split checkout.shop v2=1', `${first.grpc},${second.grpc}`),
    /revision 3, in force on 2 clients/,
  );
  await eventually('traffic follows', async () => (await call.one({ host: 'checkout' })).body === 'v2-1');
  t.match(await ok('undo checkout.shop', second.grpc), /revision 4/);
});

t.test(
  'etcd away: exit code 1 and nothing changed; an answer lost: exit code 3',
  { skip: ETCD.skip },
  async (t) => {
    const etcd = await EtcdCluster.start(t);
    const proxy = await TcpProxy.start(t, etcd.endpoints[0] as string);
    const replica = await startReplica(t, 'a', `etcd://${proxy.text}/roost`);
    const env = { ROOST_CONTROL_PLANE: replica.grpc };
    await ok('apply -f -', replica.grpc, stringify(checkout({ split: { v1: 1 } })));
    const ready = async () => {
      const response = await fetch(`http://${replica.http}/ready`);
      return `${response.status} ${await response.text()}`;
    };
    t.equal(await ready(), '200 ready\n');
    proxy.cut();
    const refused = await roost('split checkout.shop v1=1 v2=1'.split(' '), { env });
    t.equal(refused.code, 1);
    t.match(
      refused.stderr,
      /^roost: nothing was changed: etcd does not take it .*what is known is served on/,
    );
    await eventually('it says so', async () => /^200 ready, changes are refused: /.test(await ready()));
    t.equal(await metric(replica.http, 'roost_control_plane_store_available'), 0);
    t.match(await ok('get checkout.shop', replica.grpc), /checkout/, 'what is known is told on');
    t.match(await ok('status', replica.grpc), /\nchanges are refused: /);
    proxy.restore();
    await eventually('it is over', async () => (await ready()) === '200 ready\n');

    proxy.swallowAnswersAfter('"action":"split"');
    const unknown = await roost('split checkout.shop v1=1 v2=1'.split(' '), { env });
    t.equal(unknown.code, 3);
    t.match(unknown.stderr, /^roost: it is not known whether the change was made, or will be/);
    proxy.restore();
    await eventually('in fact it was, once', async () =>
      /^2 +1 .* split .*\n1 +- .* apply /m.test(await ok('history checkout.shop', replica.grpc)),
    );
  },
);

t.test('addresses: a list that is wrong, a name with several addresses', async (t) => {
  const wrong = await roost(['get', '--control-plane', '127.0.0.1:1,nowhere']);
  t.equal(wrong.code, 2);
  t.match(
    wrong.stderr,
    /^--control-plane: "127.0.0.1:1,nowhere" is not a HOST:PORT.*nor several with commas/,
  );
  // Tried once each, in order: a command that retries reports the address at which its time ran out.
  const dead = await roost('get --control-plane 127.0.0.1:1,127.0.0.1:2 --connect-timeout 0s'.split(' '));
  t.equal(dead.code, 1);
  t.match(dead.stderr, /the control plane at 127\.0\.0\.1:2 does not answer/);
  // "localhost" is ::1 as well on most machines, where nobody listens.
  const { grpc } = await startControlPlane(t);
  const byName = grpc.replace('127.0.0.1', 'localhost');
  t.match(await ok('get', byName), /./);
  const sidecar = await startSidecar(t, ['--service', 'frontend.shop', '--control-plane', byName]);
  await eventually('ready', async () => (await fetch(`http://${sidecar.admin}/ready`)).status === 200);
});

t.test('flags of the store', async (t) => {
  const usage = async (...args: string[]) => {
    const { code, stderr } = await roost(['control-plane', ...args]);
    t.equal(code, 2, args.join(' '));
    return stderr;
  };
  t.match(
    await usage('--store', 'redis://x:1'),
    /^--store: "redis:\/\/x:1" is not an etcd:\/\/HOST:PORT\/PREFIX/,
  );
  t.match(await usage('--store', 'etcd://ann:pw@x:1'), /has a user in it; write --store-user/);
  t.match(await usage('--store', 'etcd://x'), /must list HOST:PORT/);
  t.match(await usage('--store', 'etcd://x:1/a b'), /has a prefix that is no \/NAME/);
  t.match(
    await usage('--store', 'etcd://x:1', '--data-dir', '/tmp/x', '--store-user', 'ann', '--store-cert', 'c'),
    /exclude each other.*--store-cert and --store-key.*needs --store-ca.*--store-user and --store-password-file/s,
  );
  t.match(await usage('--store-user', 'ann', '--store-password-file', 'x'), /need --store, which says where/);
  const nobody = await roost(['control-plane', '--store', 'etcd://127.0.0.1:1', '--grpc', '127.0.0.1:0'], {
    env: { ROOST_STORE_USER: 'ann', ROOST_STORE_PASSWORD_FILE: '/nowhere/password' },
  });
  t.equal(nobody.code, 1);
  t.match(nobody.stderr, /--store-password-file cannot be read: ENOENT/);
});
