import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { ControlPlane, type ControlPlaneOptions } from '../../control-plane/control-plane.js';
import { sessionServiceDefinition } from '../../control-plane/sessions/session-service.js';
import type {
  ChangeResponse,
  HistoryResponse,
  ListResponse,
  StatusResponse,
} from '../../src/api/config-service.js';
import { toStruct } from '../../src/api/struct.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import { createLogger } from '../../src/telemetry/logger.js';
import type { Message } from '../../src/xds/descriptors.js';
import { OPENSSL } from '../support/certificates.js';
import { temporaryFolder } from '../support/folder.js';
import { TestMesh, toAddress } from '../support/mesh.js';
import { eventually } from '../support/processes.js';
import { credential, NO_SECURITY, SecuredControlPlane, type TestCredential } from '../support/secured.js';
import { meshService } from '../support/shop.js';
import { XdsClient } from '../support/xds-client.js';

const peer = { skip: OPENSSL.skip };

/** What the clients of one namespace are told: the service that each domain leads to. */
class Caller {
  private constructor(private readonly xds: XdsClient) {}

  static async of(t: Test, secured: SecuredControlPlane, namespace: string, { token }: TestCredential) {
    const { grpcAddress } = secured.controlPlane;
    const xds = XdsClient.delta(t, grpcAddress, { id: namespace, metadata: { namespace }, token });
    xds.subscribe('route', '*');
    const caller = new Caller(xds);
    await caller.domains();
    return caller;
  }

  private readonly routes = new Map<string, Message>();

  /** As they are once the next response has come. */
  async domains(): Promise<Map<string, string>> {
    const response = await this.xds.next('route');
    this.xds.ack(response);
    for (const name of response.removed) this.routes.delete(name);
    for (const [name, resource] of Object.entries(response.resources)) this.routes.set(name, resource);
    const all = [...this.routes].flatMap(([name, { virtualHosts }]) =>
      (virtualHosts as readonly { readonly domains: readonly string[] }[]).flatMap(({ domains }) =>
        domains.map((domain) => [domain, name] as const),
      ),
    );
    const found = new Map(all);
    if (found.size < all.length) throw new Error('a domain leads to two services');
    return found;
  }
}

async function start(t: Test, options: Partial<ControlPlaneOptions> = {}) {
  const names = ['shop', 'bank'];
  const ops = credential('ops', 'admin');
  const admins = names.map((name) => credential(`${name}-admin`, 'admin', [name]));
  const pods = names.map((name) => credential(`${name}-pod`, 'sidecar', [name]));
  const secured = await SecuredControlPlane.start(
    t,
    [ops, ...admins, ...pods].map(({ entry }) => entry),
    options,
  );
  const as = (who: TestCredential | undefined) => secured.client({ token: who?.token ?? '' });
  const callers = await Promise.all(
    names.map((name, i) => Caller.of(t, secured, name, pods[i] as TestCredential)),
  );
  const [inShop, inBank] = callers as [Caller, Caller];
  return { secured, ops: as(ops), shop: as(admins[0]), bank: as(admins[1]), pods, inShop, inBank };
}

const apply = (client: ControlPlaneClient, document: object, grant = '') =>
  client.call<ChangeResponse>('Apply', { documents: [toStruct(document)], grant });
const service = (name: string, ...hosts: string[]) => meshService(name, { v1: 1 }, { hosts });

t.test('a host that one tenant lists leads no caller of another', peer, async (t) => {
  const { shop, bank, ops, inShop, inBank, secured } = await start(t);
  const { services } = await apply(shop, service('evil.shop', 'pay.example', 'account'));
  t.match(services, [{ localHosts: ['pay.example', 'account'], takenHosts: [] }]);
  let [toShop, toBank] = [await inShop.domains(), await inBank.domains()];
  t.equal(toShop.get('pay.example'), 'shop/evil');
  t.equal(toShop.get('account'), 'shop/evil');
  t.notOk(toBank.has('pay.example'));
  t.notOk(toBank.has('account'));
  t.equal(toBank.get('evil.shop'), 'shop/evil', 'its own name does, of course');

  await apply(bank, service('account.bank', 'pay.example'));
  [toShop, toBank] = [await inShop.domains(), await inBank.domains()];
  t.equal(toBank.get('pay.example'), 'bank/account');
  t.equal(toBank.get('account'), 'bank/account');
  t.equal(toShop.get('pay.example'), 'shop/evil', 'each namespace has its own');
  t.equal(toShop.get('account.bank'), 'bank/account');

  const granted = await apply(ops, service('account.bank', 'pay.example', 'new.example'));
  t.match(granted.differences, [
    { summary: [/hosts/, 'hosts for every namespace granted: pay.example, new.example'] },
  ]);
  [toShop, toBank] = [await inShop.domains(), await inBank.domains()];
  t.equal(toShop.get('new.example'), 'bank/account');
  t.equal(toShop.get('pay.example'), 'shop/evil', 'what a namespace lists for itself goes first');
  t.match(
    secured.log,
    /"actor":"ops","service":"bank\/account","changes":\["hosts for every namespace granted: /,
  );
  const { entries } = await bank.call<HistoryResponse>('History', { name: 'account.bank', limit: 1 });
  t.match(entries, [{ by: { name: 'ops' }, summary: [/hosts/, /granted: pay\.example, new\.example/] }]);

  await apply(ops, service('account.bank', 'pay.example', 'new.example'), 'none');
  toShop = await inShop.domains();
  t.notOk(toShop.has('new.example'), 'and it can be taken away');
});

t.test("a service's own name leads to it in every namespace, whoever listed it before", peer, async (t) => {
  const { shop, ops, bank, inShop, inBank, pods, secured } = await start(t);
  const refusal = await apply(shop, service('evil.shop', 'account.bank')).catch((error) => error);
  t.match(refusal, {
    problems: [{ message: '"account.bank" belongs to the namespace "bank", as all names of that form do' }],
  });
  // An admin of all namespaces may list anything that no service has for its name yet.
  await apply(ops, service('early.shop', 'account.bank'));
  t.equal((await inBank.domains()).get('account.bank'), 'shop/early');
  await inShop.domains();
  const { services } = await apply(bank, service('account.bank'));
  t.match(services, [{ takenHosts: [] }]);
  t.equal((await inBank.domains()).get('account.bank'), 'bank/account');
  t.equal((await inShop.domains()).get('account.bank'), 'bank/account');
  const listed = await ops.call<ListResponse>('List', { namespace: 'shop' });
  t.match(listed.services, [{ key: 'shop/early', takenHosts: ['account.bank'] }]);

  for (const [namespace, pod] of [
    ['shop', pods[0]],
    ['bank', pods[1]],
  ] as const) {
    const { grpcAddress } = secured.controlPlane;
    const options = { metadata: { namespace }, token: pod?.token ?? '' };
    const xds = XdsClient.sotw(t, grpcAddress, options);
    xds.send('route', { resourceNames: ['outbound'] });
    const { resources } = await xds.next('route');
    const hosts = resources.outbound?.virtualHosts as readonly { readonly domains: readonly string[] }[];
    const domains = hosts.flatMap((host) => host.domains);
    t.equal(new Set(domains).size, domains.length, 'Envoy takes no domain twice');
    xds.send('listener', { resourceNames: ['account.bank'] });
    const { resources: listeners } = await xds.next('listener');
    t.match(JSON.stringify(listeners['account.bank']), Buffer.from('bank/account').toJSON().data.join(','));
  }
});

t.test('a client may not say that it is of a namespace that is not its own', peer, async (t) => {
  const { secured, pods } = await start(t);
  const [shopPod] = pods;
  for (const method of ['delta', 'sotw'] as const) {
    const options = { metadata: { namespace: 'bank' }, token: shopPod?.token ?? '' };
    const xds = XdsClient[method](t, secured.controlPlane.grpcAddress, options);
    xds.send('cluster', {});
    await t.rejects(xds.next(), /"shop-pod" has no access to the namespace "bank"/);
  }
});

t.test('what was there before anyone was asked stays in force, and operators are told', peer, async (t) => {
  const dataDir = await temporaryFolder(t);
  const FREE = { host: '127.0.0.1', port: 0 };
  const log = createLogger('test', 'silent');
  const before = await ControlPlane.start({ grpc: FREE, http: FREE, config: [], dataDir }, log);
  const client = new ControlPlaneClient(toAddress(before.grpcAddress));
  await apply(client, service('evil.shop', 'pay.example', 'account.bank'));
  client.close();
  await before.stop();

  const { secured, ops, shop, bank, inBank } = await start(t, { dataDir });
  const { warnings } = await ops.call<StatusResponse>('Status', {});
  t.same(warnings, ['shop/evil: callers of every namespace are led to it by pay.example, account.bank']);
  t.match(secured.log, /services claim what no admin of all namespaces has approved/);
  t.same(
    (await shop.call<StatusResponse>('Status', {})).warnings,
    [],
    'one namespace is told nothing of others',
  );
  await apply(bank, service('account.bank'));
  const domains = await inBank.domains();
  t.equal(domains.get('account.bank'), 'bank/account', 'its own name is no matter of approval');
  await apply(shop, service('evil.shop', 'pay.example', 'more.example'));
  t.match((await ops.call<StatusResponse>('Status', {})).warnings, [/^shop\/evil: .* pay\.example/]);
  t.notOk((await inBank.domains()).has('more.example'));
  await apply(ops, service('evil.shop', 'pay.example'));
  t.same((await ops.call<StatusResponse>('Status', {})).warnings, []);
});

t.test("a tenant's service leads no sidecar of others into its own machine", peer, async (t) => {
  let asked = 0;
  const local = createServer((_request, response) => void response.end(`local ${++asked}`));
  local.listen(0, '127.0.0.1');
  await once(local, 'listening');
  t.teardown(() => local.close());
  const { port } = local.address() as AddressInfo;
  const { secured, shop, ops, pods } = await start(t);
  // What the name means is known to this machine alone.
  const named = meshService(
    'evil.shop',
    { v1: 1 },
    { health: { interval: '100ms' }, versions: [{ name: 'v1', dns: `evil.example:${port}` }] },
  );
  await apply(shop, named);
  const mesh = new TestMesh(t, secured.controlPlane, ops);
  const sidecar = await mesh.sidecar({
    service: { name: 'caller', namespace: 'bank' },
    security: { ...NO_SECURITY, token: pods[1]?.token ?? '' },
    resolve: new Map([[`evil.example:${port}`, [{ host: '127.0.0.1', port }]]]),
  });
  const call = async () => {
    const { host, port: outbound } = toAddress(sidecar.addresses.outbound);
    const [response] = await once(
      request({ host, port: outbound, headers: { host: 'evil.shop' }, agent: false }).end(),
      'response',
    );
    return `${response.statusCode} ${await text(response)}`;
  };
  t.match(await call(), /^503 /);
  t.equal(asked, 0);
  t.match((await apply(ops, named)).services, [{ granted: [`evil.example:${port}`], withheld: [] }]);
  await eventually('the granted name is used', async () => /^200 local/.test(await call()));
  await apply(ops, named, 'none');
  const local1 = meshService(
    'local.shop',
    { v1: 1 },
    { versions: [{ name: 'v1', endpoints: [{ address: `127.0.0.1:${port}` }] }] },
  );
  await apply(ops, local1);
  t.match((await apply(ops, local1, 'none')).services, [{ granted: [], withheld: [`127.0.0.1:${port}`] }]);
  await eventually('the grant has ended', async () => /^503 /.test(await call()));
});

t.test('a sidecar shares pins as itself, whatever it calls itself', peer, async (t) => {
  const { secured, pods } = await start(t);
  const { Share } = sessionServiceDefinition();
  const open = (caller: object) => {
    const client = new Client(secured.controlPlane.grpcAddress, credentials.createInsecure());
    t.teardown(() => client.close());
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${pods[0]?.token}`);
    const { path, requestSerialize } = Share as NonNullable<typeof Share>;
    const stream = client.makeBidiStreamRequest(path, requestSerialize, (bytes: Buffer) => bytes, metadata);
    stream.write({ caller });
    return stream;
  };
  const refusal = async (caller: object) =>
    ((await once(open(caller).resume(), 'error')) as [ServiceError])[0];
  t.match(await refusal({ id: 'cp-2', namespace: 'shop', replica: true }), {
    code: status.PERMISSION_DENIED,
    details: 'only another control plane over the same store may ask as one',
  });
  t.match(await refusal({ id: 'pod', namespace: 'bank' }), {
    code: status.PERMISSION_DENIED,
    details: '"shop-pod" has no access to the namespace "bank"; it has shop',
  });
  const own = open({ id: 'pod', service: 'cart', namespace: 'shop' });
  const [greeting] = await once(own, 'data');
  t.ok(Buffer.isBuffer(greeting));
  own.on('error', () => {});
  own.cancel();
});

t.test('a client that refuses without end does not fill the log', peer, async (t) => {
  const { secured, shop, pods } = await start(t);
  await apply(shop, service('cart.shop'));
  const options = { id: 'odd', metadata: { namespace: 'shop' }, token: pods[0]?.token ?? '' };
  const startedAt = performance.now();
  const xds = XdsClient.delta(t, secured.controlPlane.grpcAddress, options);
  for (let n = 0; n < 800; n++) {
    xds.subscribe('cluster', 'shop/cart/v1');
    xds.nack(await xds.next('cluster'), `no: ${n}`);
  }
  await eventually('all are counted', async () => {
    const { clients } = await shop.call<StatusResponse>('Status', {});
    return clients.some(({ types }) => types.some(({ rejection }) => rejection?.reason === 'no: 799'));
  });
  const told = (secured.log.match(/client rejected its configuration/g) ?? []).length;
  const most = 510 + 20 * ((performance.now() - startedAt) / 1000);
  t.ok(told > 0 && told < most, `${told} of 800`);
});
