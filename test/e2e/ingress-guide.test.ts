import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import { Backend, type Echo } from '../support/backend.js';
import { type Call, caller } from '../support/calls.js';
import { canary, ingress, slice } from '../support/ingress/manifests.js';
import { eventually, ROOST, startControlPlane, startSidecar } from '../support/processes.js';

/** `docs/from-ingress-nginx.md`: its commands, as they are written there, one after the other. */

const page = readFileSync(
  fileURLToPath(new URL('../../../docs/from-ingress-nginx.md', import.meta.url)),
  'utf8',
);
/** Of the block at the top: all but `kubectl`, without their comments. */
const [, block = ''] = /```\n(kubectl .*?)```/s.exec(page) ?? [];
const imports = block
  .split('\n')
  .map((line) => line.replace(/\s+#.*/, ''))
  .filter((line) => line.startsWith('roost '));
/** Of the step about releases. */
const releases = [...page.matchAll(/`(roost (?:split|promote|abort) [^`]+)`/g)].map(
  ([, line]) => line as string,
);

/** The cookie that a client keeps, and where it sends it (RFC 6265 section 5.1.4). */
class OneCookie {
  private pair = '';
  private path = '/';

  for(url: string): Record<string, string> {
    const covers = url === this.path || url.startsWith(this.path.endsWith('/') ? this.path : `${this.path}/`);
    return this.pair !== '' && covers ? { cookie: this.pair } : {};
  }

  keep(setCookie: string): void {
    const [pair = '', ...attributes] = setCookie.split('; ');
    this.pair = pair;
    this.path = attributes.find((each) => each.startsWith('Path='))?.slice('Path='.length) ?? '/';
  }
}

async function shell(folder: string, line: string, controlPlane: string): Promise<string> {
  const PATH = `${folder}:${process.env.PATH}`;
  const child = spawn('sh', ['-c', line], {
    cwd: folder,
    env: { PATH, ROOST_CONTROL_PLANE: controlPlane },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += String(data)));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${line}: exit code ${code}\n${output}`);
  return output;
}

async function startShop(t: Test) {
  const pods: Backend[] = [];
  for (const name of ['checkout-1', 'checkout-2', 'checkout-v2-1']) pods.push(await Backend.start(t, name));
  const rules = [{ path: '/checkout(/|$)(.*)', pathType: 'ImplementationSpecific' }];
  const shape = { namespace: 'shop', host: 'shop.example', rules };
  const session = { affinity: 'cookie', 'affinity-mode': 'persistent', 'session-cookie-name': 'checkout' };
  const rewrite = { 'rewrite-target': '/$2' };
  const items = [
    ingress('checkout', { ...shape, annotations: { ...session, ...rewrite } }),
    canary('checkout-v2', { 'canary-weight': '50' }, shape),
    ...pods.map(({ name, address }) => slice(name.replace(/-\d$/, ''), address, 'shop')),
  ];
  return stringify({ apiVersion: 'v1', kind: 'List', items });
}

/** Calls with one cookie jar; what the app was asked for, and by which pod. */
async function visit(call: Call, jar: OneCookie): Promise<{ backend: string; url: string; set: number }> {
  const path = '/checkout/cart';
  const { body, headers } = await call('checkout.shop', { path, headers: jar.for(path) });
  const set = [headers['set-cookie'] ?? []].flat();
  for (const each of set) jar.keep(each);
  const { backend, url } = JSON.parse(body) as Echo;
  return { backend, url, set: set.length };
}

t.test('the guide’s commands do what it says, on a path with a regular expression', async (t) => {
  t.equal(imports.length, 3);
  t.equal(releases.length, 3);
  const folder = t.testdir();
  writeFileSync(join(folder, 'roost'), `#!/bin/sh\nexec "${process.execPath}" "${ROOST}" "$@"\n`);
  chmodSync(join(folder, 'roost'), 0o755);
  writeFileSync(join(folder, 'shop.yaml'), await startShop(t));
  const { grpc } = await startControlPlane(t);
  const run = (line: string) => shell(folder, line, grpc);
  const [report = ''] = [await run(imports[0] as string)];
  t.match(report, /only \/checkout is routed, as in ingress-nginx: checkout\.shop\/a is answered 404/);
  t.match(report, /the cookie's path is \/checkout; there it is \/checkout\(\/\|\$\)\(\.\*\)/);
  for (const line of imports.slice(1)) await run(line);

  const sidecar = await startSidecar(t, ['--service', 'frontend.shop', '--control-plane', grpc]);
  const ready = async () => (await fetch(`http://${sidecar.admin}/ready`)).status === 200;
  await eventually('the sidecar is ready', ready);
  const call = caller(t, sidecar.outbound);
  t.equal((await call('checkout.shop', { path: '/a' })).status, 404, 'as the report says');
  const jars = Array.from({ length: 12 }, () => new OneCookie());
  const first: Awaited<ReturnType<typeof visit>>[] = [];
  for (const jar of jars) first.push(await visit(call, jar));
  t.ok(first.every(({ url, set }) => url === '/cart' && set === 1));
  const stays = async (what: string) => {
    for (const [i, jar] of jars.entries()) {
      const { backend, set } = await visit(call, jar);
      t.equal(backend, first[i]?.backend, `${what}: session ${i} stays`);
      t.equal(set, 0);
    }
  };
  await stays('imported');
  const [split = '', promote = '', abort = ''] = releases;
  await run(split);
  await stays(split);
  await run(abort);
  await stays(abort);
  await run(promote);
  for (const jar of jars) t.equal((await visit(call, jar)).backend, 'checkout-v2-1', promote);
});
