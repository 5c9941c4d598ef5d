import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import type {
  HistoryResponse,
  ListResponse,
  StatusResponse,
  WatchEvent,
} from '../../src/api/config-service.js';
import { toStruct } from '../../src/api/struct.js';
import type { ControlPlaneClient } from '../../src/cli/client.js';
import { OPENSSL } from '../support/certificates.js';
import { eventually } from '../support/processes.js';
import { credential, SecuredControlPlane, type TestCredential } from '../support/secured.js';
import { meshService } from '../support/shop.js';

const peer = { skip: OPENSSL.skip };

const apply = (client: ControlPlaneClient, ...names: string[]) =>
  client.call('Apply', { documents: names.map((name) => toStruct(meshService(name))) });
const names = ({ services }: ListResponse) => services.map(({ key }) => key);

/** Calls any path as a peer would that knows nothing of what there is. */
function rawCall(t: Test, address: string, path: string, token = ''): Promise<ServiceError> {
  const client = new Client(address, credentials.createInsecure());
  t.teardown(() => client.close());
  const metadata = new Metadata();
  if (token !== '') metadata.set('authorization', `Bearer ${token}`);
  const same = (bytes: Buffer) => bytes;
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, same, same, Buffer.alloc(0), metadata, (error) =>
      resolve(error as ServiceError),
    );
  });
}

t.test('three roles over TLS, each with what it is for', peer, async (t) => {
  const read = credential('read', 'read');
  const operate = credential('operate', 'operate');
  const admin = credential('admin', 'admin');
  const sidecar = credential('sidecar', 'sidecar');
  const all = [read, operate, admin, sidecar];
  const secured = await SecuredControlPlane.start(
    t,
    all.map(({ entry }) => entry),
  );
  const as = ({ token }: TestCredential) => secured.client({ token });
  await apply(as(admin), 'cart.shop');
  t.same(names(await as(read).call('List', { namespace: '' })), ['shop/cart']);
  const split = { name: 'cart.shop', split: [{ version: 'v1', weight: 7 }] };
  await as(operate).call('Split', split);
  await t.rejects(as(read).call('Split', split), {
    message: '"read" has the role read; Split needs the role operate',
  });
  await t.rejects(
    as(operate).call('Delete', { name: 'cart.shop' }),
    /"operate" has the role operate; Delete needs the role admin/,
  );
  await t.rejects(as(sidecar).call('Status', {}), /Status needs the role read/);
  const { entries } = await as(read).call<HistoryResponse>('History', { name: 'cart.shop' });
  t.same(
    entries.map(({ action, by }) => `${action} by ${by.name}`),
    ['split by operate', 'apply by admin'],
    'whoever they say they are',
  );
  await as(admin).call('Delete', { name: 'cart.shop' });
  t.match(
    secured.log,
    /"actor":"operate","method":"\/roost\.v1\.ConfigService\/Split","namespaces":\["shop"\]/,
  );
  for (const { token } of all) t.notMatch(secured.log, token);
});

t.test('without credentials nothing is served, and nobody learns what there is', peer, async (t) => {
  const admin = credential('admin', 'admin');
  const secured = await SecuredControlPlane.start(t, [admin.entry]);
  await apply(secured.client({ token: admin.token }), 'cart.shop');
  const paths = [
    '/roost.v1.ConfigService/Get',
    '/roost.v1.ConfigService/NoSuchMethod',
    '/no.such.Service/Method',
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    '/grpc.health.v1.Health/Check',
    '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
    '/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats',
    '/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus',
  ];
  const answers = await Promise.all(paths.map((path) => rawCall(t, secured.controlPlane.grpcAddress, path)));
  for (const [i, { code, details }] of answers.entries())
    t.same(
      { code, details },
      {
        code: status.UNAUTHENTICATED,
        details: 'credentials are needed: a bearer token or a client certificate',
      },
      paths[i] as string,
    );
  const known = await rawCall(t, secured.controlPlane.grpcAddress, '/no.such.Service/Method', admin.token);
  t.match(known, {
    code: status.UNIMPLEMENTED,
    details: 'The server does not implement the method /no.such.Service/Method',
  });
  await t.rejects(secured.client({ token: 'guess' }).call('Status', {}), /the token is not known here/);
});

t.test('a scope of namespaces bounds what is done, and what is seen', peer, async (t) => {
  const [admin, shop] = [credential('admin', 'admin'), credential('shop', 'admin', ['shop'])];
  const secured = await SecuredControlPlane.start(t, [admin.entry, shop.entry]);
  const mine = secured.client({ token: shop.token });
  await apply(secured.client({ token: admin.token }), 'cart.shop', 'cart.bank', 'vault.bank');
  t.same(names(await mine.call('List', { namespace: '' })), ['shop/cart']);
  t.equal((await mine.call<StatusResponse>('Status', {})).services, 1);
  const { entries } = await mine.call<HistoryResponse>('History', { name: '' });
  t.same(
    entries.map(({ key }) => key),
    ['shop/cart'],
  );
  const watched = mine.stream<WatchEvent>('Watch', { namespace: '' });
  t.same(
    (await watched.next()).value.changed.map(({ key }: { key: string }) => key),
    ['shop/cart'],
  );
  for (const [method, request] of [
    ['Get', { name: 'cart.bank' }],
    ['List', { namespace: 'bank' }],
    ['History', { name: 'cart.bank' }],
    ['Delete', { name: 'bank/cart' }],
    ['Explain', { name: 'cart.bank' }],
    ['Plan', { document: toStruct(meshService('cart.bank')) }],
    ['Apply', { documents: [toStruct(meshService('cart.shop')), toStruct(meshService('new.bank'))] }],
  ] as const)
    await t.rejects(
      mine.call(method, request),
      /"shop" has no access to the namespace "bank"; it has shop/,
      method,
    );
  const missing = await mine.call('Get', { name: 'vault.shop' }).catch((error: Error) => error.message);
  t.equal(missing, 'no service shop/vault is configured', 'what there is elsewhere is not suggested');
  await apply(secured.client({ token: admin.token }), 'other.bank');
  await apply(mine, 'added.shop');
  t.same(
    (await watched.next()).value.changed.map(({ key }: { key: string }) => key),
    ['shop/added'],
  );
  await watched.return(undefined);
});

t.test(
  'a client certificate is a credential: by URI, by common name, and by who signed it',
  peer,
  async (t) => {
    const secured = await SecuredControlPlane.start(t, [
      { name: 'pod', certificate: { uri: 'spiffe://mesh/shop' }, role: 'read', namespaces: ['shop'] },
      { name: 'ops', certificate: { commonName: 'ops' }, role: 'admin', namespaces: ['*'] },
    ]);
    const { authority } = secured;
    const as = ({ cert, key }: { cert: string; key: string }) =>
      secured.client({ clientCert: cert, clientKey: key });
    const pod = await authority.issue('pod', { names: ['URI:spiffe://mesh/shop'] });
    const ops = await authority.issue('ops', { names: ['DNS:x'] });
    await apply(as(ops), 'cart.shop', 'cart.bank');
    t.same(names(await as(pod).call('List', { namespace: '' })), ['shop/cart']);
    await t.rejects(
      as(await authority.issue('nobody')).call('Status', {}),
      /no credential here is for the client certificate/,
    );
    const { TestAuthority } = await import('../support/certificates.js');
    const forged = await (await TestAuthority.create(secured.folder, 'other-ca')).issue('forged', {
      commonName: 'ops',
    });
    await t.rejects(as(forged).call('Status', {}), /it is not signed by a CA of --tls-client-ca/);
  },
);

t.test(
  'the file of credentials is read again: withdrawn ones end what they began, a broken one changes nothing',
  peer,
  async (t) => {
    const [keep, gone, fresh] = [
      credential('keep', 'read'),
      credential('gone', 'read'),
      credential('fresh', 'read'),
    ];
    const secured = await SecuredControlPlane.start(t, [keep.entry, gone.entry]);
    const watch = ({ token }: TestCredential) =>
      secured.client({ token }).stream<WatchEvent>('Watch', { namespace: '' });
    const [kept, ended] = [watch(keep), watch(gone)];
    await Promise.all([kept.next(), ended.next()]);
    await writeFile(secured.tokensFile, '- name: keep\n  role: nonsense\n');
    await eventually('the mistake is told', () => secured.log.includes('the previous ones stay'));
    t.match(secured.log, /tokens\.yaml:2:3: \[0\]\.role: must be one of read/);
    await secured.client({ token: gone.token }).call('Status', {});
    await secured.writeTokens([keep.entry, fresh.entry]);
    await t.rejects(ended.next(), /the credential of "gone" was withdrawn/);
    await secured.client({ token: fresh.token }).call('Status', {});
    await t.rejects(secured.client({ token: gone.token }).call('Status', {}), /not known here/);
    const next = kept.next();
    const admin = credential('admin', 'admin');
    await secured.writeTokens([keep.entry, admin.entry]);
    await eventually('the admin is let in', () =>
      apply(secured.client({ token: admin.token }), 'cart.shop').then(
        () => true,
        () => false,
      ),
    );
    t.equal((await next).value.changed.length, 1, 'who is in the file still is told of changes');
    await kept.return(undefined);
  },
);

t.test('a certificate is replaced without a stream noticing', peer, async (t) => {
  const admin = credential('admin', 'admin');
  const secured = await SecuredControlPlane.start(t, [admin.entry]);
  const before = secured.client({ token: admin.token });
  const watch = before.stream<WatchEvent>('Watch', { namespace: '' });
  await watch.next();
  await writeFile(join(secured.folder, 'server.pem'), 'no certificate');
  await eventually('the mistake is told', () => secured.log.includes('the previous one stays'));
  await secured.authority.issue('server', { names: ['IP:127.0.0.1', 'DNS:renewed'], commonName: 'renewed' });
  await eventually('it is replaced', () => secured.log.includes('certificate replaced'));
  await apply(before, 'cart.shop');
  t.same((await watch.next()).value.changed.length, 1, 'the stream has gone on');
  await watch.return(undefined);
  const { connect } = await import('node:tls');
  const [host, port] = secured.controlPlane.grpcTlsAddress.split(':') as [string, string];
  const shown = await new Promise<string>((resolve) => {
    const socket = connect(
      { host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'] },
      () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      },
    );
  });
  t.equal(shown, 'renewed');
});

t.test('a credential that expires ends, for new calls and for those under way', peer, async (t) => {
  const soon = new Date(Date.now() + 1500).toISOString();
  const [old, brief] = [
    credential('old', 'read', ['*'], { expires: '2020-01-01T00:00:00Z' }),
    credential('brief', 'read', ['*'], { expires: soon }),
  ];
  const secured = await SecuredControlPlane.start(t, [old.entry, brief.entry]);
  await t.rejects(
    secured.client({ token: old.token }).call('Status', {}),
    /"old" expired at 2020-01-01T00:00:00Z/,
  );
  const watch = secured.client({ token: brief.token }).stream<WatchEvent>('Watch', { namespace: '' });
  await t.rejects(
    (async () => {
      for (;;) await watch.next();
    })(),
    /"brief" expired at /,
  );
});

t.test('calls and guesses are answered only so often, and large messages not at all', peer, async (t) => {
  const [admin, second] = [credential('admin', 'admin'), credential('second', 'read')];
  const options = { callsPerSecond: 1, maxMessageBytes: 10_000 };
  const secured = await SecuredControlPlane.start(t, [admin.entry, second.entry], options);
  const client = secured.client({ token: admin.token });
  const big = { documents: [toStruct({ ...meshService('cart.shop'), padding: 'x'.repeat(20_000) })] };
  await t.rejects(client.call('Apply', big), /the message has \d+ bytes, and at most 10000 are taken/);
  const calls = await Promise.allSettled(Array.from({ length: 40 }, () => client.call('Status', {})));
  const refused = calls.filter(({ status }) => status === 'rejected');
  t.ok(refused.length > 0 && refused.length < 40, `${refused.length} of 40`);
  t.match(refused[0], { reason: { message: 'too many calls from this address, more than 1 a second' } });

  const ads = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
  const guess = (i: number) => rawCall(t, secured.controlPlane.grpcAddress, ads, `guess${i}`);
  const guesses = await Promise.all(Array.from({ length: 60 }, (_, i) => guess(i)));
  const codes = new Set(guesses.map(({ code }) => code));
  t.same(codes, new Set([status.UNAUTHENTICATED, status.RESOURCE_EXHAUSTED]), 'then nobody listens any more');
  t.match(
    await secured.client({ token: second.token }).call('Status', {}),
    { clients: [] },
    'who has a token is let in from the same address, whatever others do there',
  );
  t.notMatch(secured.log, /guess\d/);
  t.ok((secured.log.match(/a call was refused/g) ?? []).length < 60, 'nor is every attempt logged');
});
