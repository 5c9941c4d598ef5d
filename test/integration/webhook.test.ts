import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import t from 'tap';
import { createAuthority, issueServerCertificate } from '../../control-plane/webhook/certificates.js';
import { splitHostPort } from '../../src/model/formats.js';
import { roost, startControlPlane } from '../support/processes.js';

/** The webhook of a control plane in a process of its own, called as the API server calls it. */

const validity = { nowMs: Date.now(), days: 1 };
const authority = createAuthority('test', validity);
const folder = t.testdir();
const files = { cert: join(folder, 'tls.pem'), key: join(folder, 'tls.key') };
const pair = issueServerCertificate(authority, ['localhost'], validity);
writeFileSync(files.cert, pair.cert);
writeFileSync(files.key, pair.key);

let port = 0;
let grpc = '';
t.before(async () => {
  const started = await startControlPlane(t, [
    '--webhook',
    '127.0.0.1:0',
    '--webhook-cert',
    files.cert,
    '--webhook-key',
    files.key,
  ]);
  grpc = started.grpc;
  const { webhook } = (await started.process.logged('the webhook is served')) as { webhook: string };
  port = splitHostPort(webhook)?.port ?? 0;
});

function call(
  path: string,
  body: string | Buffer,
  method = 'POST',
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, servername: 'localhost', ca: authority.cert, path, method, agent: false },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

function review(kind: { group: string; version: string; kind: string }, object: object): string {
  return JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: { uid: 'u', kind, operation: 'CREATE', namespace: 'shop', object },
  });
}

const POD = { group: '', version: 'v1', kind: 'Pod' };
const MESH_SERVICE = { group: 'roost.dev', version: 'v1alpha1', kind: 'MeshService' };

t.test('a pod is injected with the settings of the control plane', async (t) => {
  const { status, text } = await call(
    '/inject',
    review(POD, { metadata: { name: 'a' }, spec: { containers: [{ name: 'a' }] } }),
  );
  t.equal(status, 200);
  const { response } = JSON.parse(text);
  t.equal(response.allowed, true);
  t.match(Buffer.from(response.patch, 'base64').toString(), /"name":"roost-redirect"/);
});

t.test('a MeshService is refused with the problems that roost apply reports', async (t) => {
  const document = {
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: 'checkout', namespace: 'shop' },
    spec: {
      port: 70_000,
      versions: [{ name: 'v1', dns: 'nowhere' }],
      routes: [{ name: 'r', split: [{ version: 'v2', weight: 1 }] }],
    },
  };
  const { response } = JSON.parse((await call('/validate', review(MESH_SERVICE, document))).text);
  t.equal(response.allowed, false);
  const applied = await roost(['apply', '-f', '-', '--control-plane', grpc], {
    input: JSON.stringify(document),
  });
  const told = applied.stderr.split('\n').flatMap((line) => /^-:\d+:\d+: (.*)$/.exec(line)?.[1] ?? []);
  t.ok(told.length >= 3);
  t.same(response.status.message.split('\n').sort(), told.sort());
});

t.test('a MeshService is checked against the services in force', async (t) => {
  const service = (name: string) => ({
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name, namespace: 'shop' },
    spec: { port: 80, hosts: ['pay.internal'], versions: [{ name: 'v1', dns: 'pay:80' }] },
  });
  await roost(['apply', '--no-wait', '-f', '-', '--control-plane', grpc], {
    input: JSON.stringify(service('pay')),
  });
  const { response } = JSON.parse((await call('/validate', review(MESH_SERVICE, service('other')))).text);
  t.equal(response.allowed, false);
  t.match(response.status.message, /pay\.internal/);
});

t.test('hostile calls are refused and harm no other call', async (t) => {
  t.match(await call('/inject', 'not JSON'), { status: 400, text: /not JSON/ });
  t.match(await call('/inject', '{}'), { status: 400, text: /not an AdmissionReview/ });
  t.match(await call('/inject', `{"request":${'['.repeat(2_000_000)}`), { status: 400 });
  t.match(await call('/nowhere', ''), { status: 404, text: 'there is /inject and /validate\n' });
  t.match(await call('/inject', '', 'GET'), { status: 405 });
  const large = await call('/inject', Buffer.alloc(10 * 1024 * 1024, ' ')).catch(
    (error: NodeJS.ErrnoException) => error,
  );
  // The answer may come while the body is still being written.
  t.match(large, large instanceof Error ? { code: /EPIPE|ECONNRESET/ } : { status: 413 });
  const silent = connect({ host: '127.0.0.1', port, ca: authority.cert, servername: 'localhost' });
  await once(silent, 'secureConnect');
  silent.write('POST /inject HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{');
  const { status } = await call(
    '/inject',
    review(POD, { metadata: { name: 'a' }, spec: { containers: [{ name: 'a' }] } }),
  );
  t.equal(status, 200);
  silent.destroy();
});

t.test('flags that contradict each other are refused together', async (t) => {
  const { code, stderr } = await roost([
    'control-plane',
    '--webhook-cert',
    'a.pem',
    '--webhook-secret',
    'name',
    '--sidecar-mode',
    'x',
  ]);
  t.equal(code, 2);
  for (const flag of ['--webhook-secret', '--sidecar-mode']) t.match(stderr, flag);
  t.match(
    (await roost(['control-plane', '--webhook-cert', 'a.pem'])).stderr,
    '--webhook-cert and --webhook-key go together',
  );
});

t.test(
  'outside of a pod, without certificate files, the rest works and the log says what is missing',
  async (t) => {
    const { process } = await startControlPlane(t, ['--webhook', '127.0.0.1:0']);
    await process.logged('the webhook cannot renew its certificate');
  },
);
