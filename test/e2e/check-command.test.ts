import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { createAuthority, issueServerCertificate } from '../../control-plane/webhook/certificates.js';
import { roost } from '../support/processes.js';

/** `roost check` against an API server that a test plays. */

const folder = t.testdir();
const validity = { nowMs: Date.now(), days: 1 };
const authority = createAuthority('test', validity);
const ca = Buffer.from(authority.cert).toString('base64');

function kubeconfig(name: string, server: string): string {
  const file = join(folder, name);
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    clusters: [{ name: 'c', cluster: { server, 'certificate-authority-data': ca } }],
    users: [{ name: 'u', user: { token: 'secret-token' } }],
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

t.test('says what is wrong with a cluster without Roost, as the user of the kubeconfig', async (t) => {
  const asked = new Set<string | undefined>();
  const api = createServer(
    issueServerCertificate(authority, ['localhost'], validity),
    (request, response) => {
      asked.add(request.headers.authorization);
      const path = request.url?.split('?')[0] ?? '';
      const found =
        path === '/version'
          ? { minor: '33', gitVersion: 'v1.33.0' }
          : /s$/.test(path)
            ? { items: [] }
            : undefined;
      response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' });
      response.end(JSON.stringify(found ?? { kind: 'Status', message: `${path} not found` }));
    },
  ).listen(0, '127.0.0.1');
  t.teardown(() => api.close());
  await once(api, 'listening');
  const file = kubeconfig('played', `https://localhost:${(api.address() as AddressInfo).port}`);
  const { code, stdout, stderr } = await roost(['check', '--kubeconfig', file]);
  t.equal(code, 1);
  t.match(stdout, /^ok {6}Kubernetes v1\.33\.0 has native sidecars and the hook sleep$/m);
  t.match(
    stdout,
    /^wrong {3}there is no Deployment roost-control-plane in namespace roost-system\n {8}→ install it/m,
  );
  t.match(stderr, /^roost: \d+ things are wrong$/m);
  t.same([...asked], ['Bearer secret-token']);
  const json = await roost(['check', '-o', 'json'], { env: { KUBECONFIG: file } });
  t.match(JSON.parse(json.stdout).findings[0], { level: 'ok', what: /Kubernetes/ });
});

t.test('a cluster that is not reached and a kubeconfig that is wrong are told in a line', async (t) => {
  const nowhere = await roost(['check', '--kubeconfig', kubeconfig('nowhere', 'https://127.0.0.1:1')]);
  t.equal(nowhere.code, 1);
  t.match(nowhere.stderr, /^roost: the API server https:\/\/127\.0\.0\.1:1: connect ECONNREFUSED/);
  const missing = await roost(['check', '--kubeconfig', join(folder, 'missing')]);
  t.match(missing.stderr, /^roost: the kubeconfig cannot be used: .*ENOENT/);
  const context = await roost([
    'check',
    '--kubeconfig',
    kubeconfig('context', 'https://127.0.0.1:1'),
    '--context',
    'x',
  ]);
  t.match(context.stderr, /^roost: the kubeconfig has no context "x"/);
});
