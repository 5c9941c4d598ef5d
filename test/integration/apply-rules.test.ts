import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { stringify } from 'yaml';
import { Backend } from '../support/backend.js';
import { caller } from '../support/calls.js';
import { newService } from '../support/http1/paths.js';
import { TestMesh } from '../support/mesh.js';
import { roost } from '../support/processes.js';

/** What makes no sense is refused where it is applied, and goes on where it is in force. */

const withCookie = (address: string, cookie: object) =>
  newService([address], { affinity: { key: [{ cookie: { name: 'sid', ...cookie } }] } });
const NONE = { sameSite: 'None' };

t.test('a cookie that browsers drop is refused, with file and line, and the right one is set', async (t) => {
  const mesh = await TestMesh.start(t);
  const sidecar = await mesh.sidecar();
  const backend = await Backend.start(t, 'v1-1');
  const service = withCookie(backend.address, NONE);
  const refused = await mesh.apply(service).catch((error: unknown) => error);
  t.match(refused, { problems: [{ message: /^None needs "secure: true"/ }] });
  const file = join(t.testdir(), 'service.yaml');
  writeFileSync(file, stringify(service));
  const controlPlane = ['--control-plane', mesh.controlPlane.grpcAddress];
  for (const command of [['apply'], ['apply', '--dry-run'], ['plan']]) {
    const { code, stderr } = await roost([...command, '-f', file, ...controlPlane]);
    t.equal(code, 2);
    t.match(stderr, /service\.yaml:\d+:\d+: spec\.affinity\.key\[0\]\.cookie\.sameSite: None needs/);
  }
  const noted = withCookie(backend.address, { ...NONE, secure: true, domain: 'shop.example' });
  writeFileSync(file, stringify(noted));
  const applied = await roost(['apply', '-f', file, ...controlPlane]);
  t.equal(applied.code, 0, applied.stderr);
  t.match(applied.stdout, /note: .*service\.yaml:\d+:\d+: .*cookie\.domain: "shop\.example" covers none/);
  const { headers } = await caller(t, sidecar.addresses.outbound)(noted.metadata.name);
  t.match(headers['set-cookie'], /; Domain=shop\.example; SameSite=None; Secure; HttpOnly$/);
});

t.test('a service that a file has in force already can be split and promoted', async (t) => {
  const { address } = await Backend.start(t, 'v1-1');
  const service = withCookie(address, NONE);
  const file = join(t.testdir(), 'service.yaml');
  writeFileSync(file, stringify(service));
  const mesh = await TestMesh.start(t, [], { config: [file] });
  const sidecar = await mesh.sidecar();
  const { name } = service.metadata;
  t.equal((await caller(t, sidecar.addresses.outbound)(name)).status, 200);
  const split = [{ version: 'v1', weight: 1 }];
  await t.resolves(mesh.change('Split', { name: `${name}.shop`, split, force: true }));
  await t.resolves(mesh.change('Promote', { name: `${name}.shop`, release: 'v1', force: true }));
});
