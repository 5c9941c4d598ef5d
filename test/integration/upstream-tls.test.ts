import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import type { Sidecar } from '../../sidecar/sidecar.js';
import { Backend } from '../support/backend.js';
import { type CallOptions, caller } from '../support/calls.js';
import { type CertificateFiles, OPENSSL, TestAuthority } from '../support/certificates.js';
import { temporaryFolder } from '../support/folder.js';
import { newService } from '../support/http1/paths.js';
import { TestMesh } from '../support/mesh.js';
import { eventually } from '../support/processes.js';
import { startTlsBackend, type TlsBackend } from '../support/tls-backend.js';

const NAME = 'checkout.internal';
const peer = { skip: OPENSSL.skip };

let mesh: TestMesh;
let sidecar: Sidecar;
let authority: TestAuthority;
let stranger: TestAuthority;
let good: CertificateFiles;
let caller1: CertificateFiles;

t.before(async () => {
  mesh = await TestMesh.start(t);
  sidecar = await mesh.sidecar({ drainTimeoutMs: 0 });
  if (OPENSSL.skip) return;
  const folder = await temporaryFolder(t);
  authority = await TestAuthority.create(folder);
  stranger = await TestAuthority.create(folder, 'stranger');
  good = await authority.issue('good', { names: [`DNS:${NAME}`] });
  caller1 = await authority.issue('caller-1');
});

/** The `tls` of a service whose endpoints the test's authority vouches for. */
const trusting = (over: object = {}) => ({
  tls: { serverName: NAME, ca: readFileSync(authority.files.cert, 'utf8'), ...over },
});

async function serve(t: Test, addresses: readonly string[], spec: object) {
  const service = newService(addresses, spec);
  await mesh.apply(service);
  const call = caller(t, sidecar.addresses.outbound);
  const { name } = service.metadata;
  return { service, call: (options?: CallOptions) => call(name, options) };
}

const seenBy = (backend: TlsBackend) => backend.connections.map(({ serverName }) => serverName);

t.test('requests reach the endpoint over TLS, with the name that it is asked for', peer, async (t) => {
  const backend = await startTlsBackend(t, good);
  const { call } = await serve(t, [backend.address], trusting());
  const body = 'x'.repeat(1_000_000);
  t.match(await call({ method: 'POST', body }), { status: 200, body });
  t.match(await call({ method: 'POST', body: 'small' }), { status: 200, body: 'small' });
  t.strictSame(seenBy(backend), [NAME], 'and one connection serves both');
});

t.test('the next connection takes the session up again (RFC 8446 section 2.2)', peer, async (t) => {
  const backend = await startTlsBackend(t, good);
  const { call } = await serve(t, [backend.address], trusting());
  await call();
  await Promise.all([call(), call(), call(), call()]);
  t.strictSame(
    new Set(backend.connections.slice(1).map(({ reused }) => reused)),
    new Set([true]),
    'all but the first',
  );
});

t.test('an endpoint that cannot show who it is gets no request', peer, async (t) => {
  const cases: [string, CertificateFiles, RegExp][] = [
    [
      'another name',
      await authority.issue('other', { names: ['DNS:cart.internal'] }),
      /ERR_TLS_CERT_ALTNAME/,
    ],
    [
      'another authority',
      await stranger.issue('untrusted', { names: [`DNS:${NAME}`] }),
      /UNABLE_TO|SELF_SIGNED/,
    ],
    [
      'out of date',
      await authority.issue('expired', { names: [`DNS:${NAME}`], days: -1 }),
      /CERT_HAS_EXPIRED/,
    ],
  ];
  for (const [title, certificate, reason] of cases) {
    const backend = await startTlsBackend(t, certificate);
    const { call } = await serve(t, [backend.address], trusting());
    const answer = await call();
    t.equal(answer.status, 502, title);
    t.equal(answer.headers['x-roost-error'], 'connect-failure', title);
    t.match(answer.body, reason, title);
  }
});

t.test('an endpoint that speaks no TLS gets no request', peer, async (t) => {
  const plain = await Backend.start(t, 'plain');
  const { call } = await serve(t, [plain.address], trusting());
  t.match(await call(), { status: 502, headers: { 'x-roost-error': 'connect-failure' } });
  t.equal(plain.requests, 0);
});

t.test('the next endpoint of the release is asked instead', peer, async (t) => {
  const wrong = await startTlsBackend(t, await stranger.issue('wrong', { names: [`DNS:${NAME}`] }));
  const backend = await startTlsBackend(t, good);
  const spec = { routes: [{ name: 'r', split: [{ version: 'v1', weight: 1 }], retries: { attempts: 1 } }] };
  const { call } = await serve(t, [wrong.address, backend.address], { ...trusting(), ...spec });
  for (let i = 0; i < 10; i++) t.equal((await call()).status, 200);
});

t.test('shows its own certificate where it has one', peer, async (t) => {
  const backend = await startTlsBackend(t, good, authority.files);
  const shown = { certFile: caller1.cert, keyFile: caller1.key };
  const { call, service } = await serve(t, [backend.address], trusting(shown));
  t.equal((await call()).status, 200);
  t.match(backend.connections, [{ client: 'caller-1' }]);
  await mesh.apply({ ...service, spec: { ...service.spec, ...trusting() } });
  const answer = await call();
  t.match(answer, { status: 502 }, 'and is refused without it, the connection made before notwithstanding');
});

t.test('files that are not there fail the connection, and say which', peer, async (t) => {
  const backend = await startTlsBackend(t, good);
  const { call } = await serve(t, [backend.address], {
    tls: { serverName: NAME, caFile: '/nowhere/ca.pem' },
  });
  const answer = await call();
  t.match(answer, { status: 502, headers: { 'x-roost-error': 'connect-failure' } });
  t.match(answer.body, 'ENOENT');
});

t.test('authorities in a file do as well as those in the configuration', peer, async (t) => {
  const backend = await startTlsBackend(t, good);
  const tls = { serverName: NAME, caFile: authority.files.cert };
  const { call } = await serve(t, [backend.address], { tls });
  t.equal((await call()).status, 200);
});

t.test('without authorities of its own, it trusts those that Node does', peer, async (t) => {
  const backend = await startTlsBackend(t, good);
  const { call } = await serve(t, [backend.address], { tls: { serverName: NAME } });
  t.match(await call(), { status: 502, body: /UNABLE_TO_VERIFY|SELF_SIGNED|UNABLE_TO_GET/ });
});

t.test('active checks speak TLS, too', peer, async (t) => {
  interface ClusterStatus {
    readonly name: string;
    readonly endpoints: readonly { readonly address: string; readonly healthy: boolean }[];
  }
  const health = { interval: '100ms', timeout: '2s', unhealthyThreshold: 1 };
  for (const path of [undefined, '/healthz']) {
    const backend = await startTlsBackend(t, good);
    const plain = await Backend.start(t, 'plain');
    const checked = { ...trusting(), health: { ...health, ...(path && { path }) } };
    const { call, service } = await serve(t, [backend.address, plain.address], checked);
    await call();
    await eventually('the endpoint that speaks none is found out', async () => {
      const all = (await (await fetch(`http://${sidecar.addresses.admin}/clusters`)).json()) as {
        clusters: readonly ClusterStatus[];
      };
      const mine = all.clusters.find(({ name }) => name.includes(service.metadata.name));
      const states = new Map(mine?.endpoints.map(({ address, healthy }) => [address, healthy]));
      return states.get(backend.address) === true && states.get(plain.address) === false;
    });
    for (let i = 0; i < 10; i++) t.equal((await call()).status, 200, `${path ?? 'by connection'}`);
  }
});
