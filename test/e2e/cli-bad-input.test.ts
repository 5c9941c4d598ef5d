import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import type { StatusResponse } from '../../src/api/config-service.js';
import { temporaryFolder } from '../support/folder.js';
import { eventually, roost, startControlPlane } from '../support/processes.js';
import { meshService } from '../support/shop.js';

/** Every mistake that the product promises to explain, in as few files as they fit in. */
const BAD_FILES = {
  'broken.yaml': 'kind: MeshService\nspec: { port: 80\nmetadata:\n',
  'cart.yaml': `apiVersion: roost.dev/v1alpha1
kind: MeshService
metadata: { name: cart, namespace: shop }
spec:
  port: "80"
  prot: http
  versions:
    - name: v1
      endpoints:
        - address: cart.internal:80
    - name: v1
      endpoints: []
    - name: v2
      endpoints: [{ address: "10.0.0.2:80" }]
  routes:
    - name: qa
      match: [{ headers: [{ name: x-region, exact: us-east }] }]
      split: [{ version: v2, weight: 0 }, { version: v1, weight: 0 }]
    - name: default
      split:
        - { version: v3, weight: 1 }
  affinity:
    key:
      - cookie: { name: "my cookie", ttl: 1h }
    version: sticky
`,
  'cart-again.yaml': stringify(meshService('cart.shop')),
};

/** What is said of them, each line with its place and with what would be right. */
const BAD_LINES = [
  /^broken\.yaml:3:1: is not valid YAML: /,
  /^cart\.yaml:5:3: spec\.port: must be a port number, 1 to 65535; found "80"$/,
  /^cart\.yaml:6:3: spec\.prot: unknown field; did you mean "port"\? \(known here: hosts, port, protocol, /,
  /^cart\.yaml:10:11: spec\.versions\[0\]\.endpoints\[0\]\.address: "cart\.internal:80" is not an IP:PORT address, such as 10\.0\.1\.11:8080/,
  /^cart\.yaml:11:7: spec\.versions\[1\]\.name: "v1" names a version already \(versions\[0\]\); names are unique$/,
  /^cart\.yaml:12:7: spec\.versions\[1\]\.endpoints: must list at least one endpoint, such as - address: 10\.0\.1\.11:8080$/,
  /^cart\.yaml:18:7: spec\.routes\[0\]\.split: has only weights of 0; at least one version needs a weight above 0$/,
  /^cart\.yaml:21:13: spec\.routes\[1\]\.split\[0\]\.version: "v3" is not a version of this service; it has v1, v1, v2$/,
  /^cart\.yaml:24:19: spec\.affinity\.key\[0\]\.cookie\.name: "my cookie" is not a cookie name \(RFC 6265 token\); use letters, digits/,
  /^cart\.yaml:25:5: spec\.affinity\.version: must be one of none, balanced, persistent; found "sticky"$/,
  // Files are read in the order of their names.
  /^cart\.yaml:3:13: metadata\.name: shop\/cart is declared in cart-again\.yaml:4 already; a service is one document$/,
];

async function folderOf(t: Test, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await temporaryFolder(t);
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

/** Fails for a line that is missing, and for one that nobody expects. */
function matchLines(t: Test, lines: readonly string[], expected: readonly RegExp[]): void {
  for (const pattern of expected)
    t.ok(
      lines.some((line) => pattern.test(line)),
      `${pattern}\n${lines.join('\n')}`,
    );
  t.same(
    lines.filter((line) => !expected.some((pattern) => pattern.test(line))),
    [],
    'and nothing else',
  );
}

const linesOf = (text: string, folder: string) => text.replaceAll(`${folder}/`, '').split('\n').slice(0, -1);

t.test('everything that is wrong with files is said at once, and nothing of them is applied', async (t) => {
  const folder = await folderOf(t, { ...BAD_FILES, 'good.yaml': stringify(meshService('pay.shop')) });
  const { grpc } = await startControlPlane(t);
  const at = ['--control-plane', grpc];
  const { code, stdout, stderr } = await roost(['apply', '-f', folder, ...at]);
  t.same([code, stdout], [2, '']);
  matchLines(t, linesOf(stderr, folder), [...BAD_LINES, /^roost: nothing was applied$/]);
  t.equal((await roost(['get', ...at])).stdout, 'no services are configured\n');

  const piped = await roost(['apply', '-f', '-', ...at], { input: BAD_FILES['cart.yaml'] });
  t.equal(piped.code, 2);
  t.match(piped.stderr, /^-:5:3: spec\.port: must be a port number/m, 'standard input has lines as well');
});

t.test('what only the control plane can know is told at its place in the file, too', async (t) => {
  const { grpc } = await startControlPlane(t);
  const at = ['--control-plane', grpc];
  const document = (name: string, hosts: string[]) => stringify(meshService(name, { v1: 1 }, { hosts }));
  const first = await roost(['apply', '-f', '-', ...at], {
    input: document('cart.shop', ['x.test', 'y.test']),
  });
  t.same([first.code, first.stderr], [0, '']);
  const folder = await folderOf(t, {
    'a.yaml': stringify(meshService('new.shop')),
    'b.yaml': document('pay.shop', ['z.test', 'y.test']),
  });
  const second = await roost(['apply', '-f', folder, ...at]);
  t.equal(second.code, 2);
  matchLines(t, linesOf(second.stderr, folder), [
    /^b\.yaml:\d+:7: spec\.hosts\[1\]: "y\.test" is a host of shop\/cart already/,
    /^roost: nothing was applied$/,
  ]);
  t.notMatch((await roost(['get', ...at])).stdout, /new|pay/);
});

t.test('a control plane that finds only such files does not start', async (t) => {
  const folder = await folderOf(t, BAD_FILES);
  const ports = ['--grpc', '127.0.0.1:0', '--http', '127.0.0.1:0'];
  const { code, stderr } = await roost(['control-plane', '--config', folder, ...ports]);
  t.equal(code, 2);
  matchLines(t, linesOf(stderr, folder), [
    ...BAD_LINES,
    /^roost: the configuration files are not valid, and nothing is stored to serve instead$/,
  ]);
});

t.test('one that runs keeps what it has, and status names the places', async (t) => {
  const folder = await folderOf(t, { 'cart.yaml': stringify(meshService('cart.shop', { v1: 9, v2: 1 })) });
  const { grpc, http, process } = await startControlPlane(t, ['--config', folder]);
  const ask = async (path: string) => {
    const response = await fetch(`http://${http}${path}`);
    return { status: response.status, body: await response.text() };
  };
  t.same(await ask('/ready'), { status: 200, body: 'ready\n' });
  const at = ['--control-plane', grpc];
  await writeFile(join(folder, '.next'), BAD_FILES['cart.yaml']);
  await rename(join(folder, '.next'), join(folder, 'cart.yaml'));
  await process.logged('the configuration files are not valid; the previous configuration stays');
  const status = await roost(['status', ...at]);
  t.equal(status.code, 0);
  t.match(status.stdout, 'configuration files that are not in force:\n');
  t.match(
    status.stdout,
    `  ${folder}/cart.yaml:5:3: spec.port: must be a port number, 1 to 65535; found "80"\n`,
  );
  t.match((await roost(['get', ...at])).stdout, 'v1=9 v2=1');
  t.match(await ask('/ready'), {
    status: 200,
    body: /^ready, configuration files are not in force \("roost status" says why\), problems: \d+\n$/,
  });
  t.match((await ask('/metrics')).body, /^roost_control_plane_config_file_problems [1-9]/m);
  await writeFile(join(folder, 'cart.yaml'), stringify(meshService('cart.shop', { v1: 8, v2: 2 })));
  await eventually('the repaired file is in force', async () => {
    const { stdout } = await roost(['status', '-o', 'json', ...at]);
    return (JSON.parse(stdout) as StatusResponse).fileProblems.length === 0;
  });
  t.match((await roost(['get', ...at])).stdout, 'v1=8 v2=2');
  t.same(await ask('/ready'), { status: 200, body: 'ready\n' });
  t.match((await ask('/metrics')).body, /^roost_control_plane_config_file_problems 0$/m);
  await writeFile(join(folder, 'cart.yaml'), '');
  await process.logged(
    'no configuration file declares these services any more; the previous configuration stays until that has lasted',
  );
  const waiting = await roost(['status', ...at]);
  t.match(
    waiting.stdout,
    /configuration files that wait:\n {2}shop\/cart: no file declares it any more; it is removed in \d+ s/,
  );
  t.match((await roost(['get', ...at])).stdout, 'v1=8 v2=2');
});

t.test('what is no configuration, or not there, is a mistake as well', async (t) => {
  const { grpc } = await startControlPlane(t);
  const apply = (file: string, input = '') =>
    roost(['apply', '-f', file, '--control-plane', grpc], { input });
  const missing = await apply('/nowhere/shop.yaml');
  t.same(missing.code, 2);
  t.match(missing.stderr, '/nowhere/shop.yaml:1:1: file or folder not found\n');
  const empty = await apply('-', '# nothing\n---\n');
  t.same([empty.code, empty.stderr], [2, 'roost: -: no MeshService in there\n']);
  const foreign = await apply('-', 'apiVersion: v1\nkind: Service\nmetadata: { name: a }\nspec: {}\n');
  t.equal(foreign.code, 2);
  t.match(foreign.stderr, '-:2:1: kind: must be MeshService; found "Service"\n');
});

t.test('a session store that leads nowhere is told with all else, and its password is not', async (t) => {
  const url = 'redis://roost:s3cret@store:port';
  const wrong = await roost(['sidecar', '--session-store', url, '--session-store-timeout', '1h']);
  t.equal(wrong.code, 2);
  t.match(wrong.stderr, /^--session-store: "redis:\/\/…@store:port" must name HOST:PORT after the \/\//m);
  t.match(wrong.stderr, /^--session-store-timeout: "1h" is too long; the most is 10s$/m);
  t.match(wrong.stderr, /^--service \(or ROOST_SERVICE\) is required/m);
  t.notMatch(wrong.stderr, /s3cret/);
  const apart = await roost(['sidecar', '--service', 'a', '--session-store-cert', 'a.pem'], {
    env: { ROOST_SESSION_STORE: 'redis://store' },
  });
  t.equal(apart.code, 2);
  t.match(apart.stderr, /--session-store-cert and --session-store-key go together/);
  t.match(apart.stderr, /need TLS: write rediss:/);
});
