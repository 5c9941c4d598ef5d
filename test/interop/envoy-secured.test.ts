import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { StatusResponse } from '../../src/api/config-service.js';
import { toStruct } from '../../src/api/struct.js';
import { startReleases, versionsOf } from '../support/backend.js';
import { caller } from '../support/calls.js';
import { OPENSSL, TestAuthority } from '../support/certificates.js';
import { ENVOY, envoyStats, startPrintedEnvoy } from '../support/envoy.js';
import { eventually } from '../support/processes.js';
import { credential, SecuredControlPlane } from '../support/secured.js';
import { checkout } from '../support/shop.js';

/** A real Envoy, with the credentials that `roost bootstrap envoy` tells it to use, before a control plane that asks for them. */

const skip = ENVOY.skip || OPENSSL.skip;

async function start(t: Test) {
  const ops = credential('ops', 'admin');
  const pod = credential('frontend', 'sidecar', ['shop']);
  const byCertificate = {
    name: 'envoys',
    certificate: { commonName: 'an-envoy' },
    role: 'sidecar',
    namespaces: ['shop'],
  };
  const secured = await SecuredControlPlane.start(t, [ops.entry, pod.entry, byCertificate]);
  const client = secured.client({ token: ops.token });
  const versions = versionsOf(await startReleases(t, { v1: 1 }));
  await client.call('Apply', { documents: [toStruct(checkout({ split: { v1: 1 }, spec: { versions } }))] });
  const tokenFile = join(secured.folder, 'pod.token');
  await writeFile(tokenFile, `${pod.token}\n`);
  const envoy = (...args: readonly string[]) => {
    const at = ['--control-plane', secured.controlPlane.grpcTlsAddress, '--service', 'frontend.shop'];
    return startPrintedEnvoy(t, [...at, ...args]);
  };
  const clients = async () => (await client.call<StatusResponse>('Status', {})).clients;
  return { secured, pod, tokenFile, envoy, clients, ca: secured.authority.files.cert };
}

t.test('by TLS and a token from a file, which is not printed', { skip }, async (t) => {
  const { envoy, clients, ca, tokenFile, pod } = await start(t);
  const { listeners, printed } = await envoy('--ca', ca, '--token-file', tokenFile, '--node', 'with-token');
  const call = caller(t, listeners.outbound as string);
  await eventually('it has its configuration', async () => (await call('checkout')).status === 200);
  t.match(await clients(), [{ id: 'with-token', agent: 'envoy', inSync: true }]);
  t.notOk(printed.includes(pod.token));
  t.ok(printed.includes(tokenFile));
});

t.test('by TLS and a certificate of its own', { skip }, async (t) => {
  const { envoy, clients, ca, secured } = await start(t);
  const { cert, key } = await secured.authority.issue('an-envoy');
  const own = ['--client-cert', cert, '--client-key', key];
  const { listeners } = await envoy('--ca', ca, ...own, '--node', 'with-certificate');
  const call = caller(t, listeners.outbound as string);
  await eventually('it has its configuration', async () => (await call('checkout')).status === 200);
  t.match(await clients(), [{ id: 'with-certificate', inSync: true }]);
});

t.test('a control plane that has another CA, or no credential for it, gets nowhere', { skip }, async (t) => {
  const { envoy, clients, ca, secured, tokenFile } = await start(t);
  const other = await TestAuthority.create(secured.folder, 'other');
  for (const [args, statistic] of [
    [
      ['--ca', other.files.cert, '--token-file', tokenFile],
      'cluster.roost-control-plane.ssl.fail_verify_error',
    ],
    [['--ca', ca], 'cluster.roost-control-plane.upstream_rq_total'],
  ] as const) {
    const started = await envoy(...args);
    await eventually(
      'it has tried',
      async () => ((await envoyStats(started, statistic))[statistic] ?? 0) > 0,
    );
    t.same(await clients(), []);
    t.not((await caller(t, started.listeners.outbound as string)('checkout')).status, 200);
  }
});
