import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { stringify } from 'yaml';
import type {
  ChangeResponse,
  HistoryResponse,
  ListResponse,
  ServiceMessage,
} from '../../src/api/config-service.js';
import { fromStruct, toStruct } from '../../src/api/struct.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import type { MeshServiceInput } from '../../src/model/schema.js';
import { temporaryFolder } from '../support/folder.js';
import { TestMesh, toAddress } from '../support/mesh.js';
import { checkout, meshService } from '../support/shop.js';

const NAME = 'checkout.shop';

async function start(t: Test, ...resources: readonly object[]) {
  const mesh = await TestMesh.start(t, resources);
  const call = <Response = ChangeResponse>(method: string, request: object) =>
    mesh.client.call<Response>(method, request);
  const history = async (name = NAME) => (await call<HistoryResponse>('History', { name })).entries;
  const splitNow = async () => {
    const { document } = await call<ServiceMessage>('Get', { name: NAME });
    return (fromStruct(document) as unknown as MeshServiceInput).spec.routes?.[0]?.split?.map(
      ({ weight }) => weight,
    );
  };
  return { mesh, call, history, splitNow };
}

const failure = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no failure',
    (error: Error) => error.message,
  );

t.test('every change is in the history, with who made it and from what', async (t) => {
  const { mesh, call, history } = await start(t, checkout({ split: { v1: 1 } }));
  await mesh.split(NAME, { v1: 90, v2: 10 });
  const named = new ControlPlaneClient(
    toAddress(mesh.controlPlane.grpcAddress),
    'Zoë\u0007\nof\tshop '.repeat(20),
  );
  t.teardown(() => named.close());
  await named.call('Promote', { name: NAME, release: 'v2' });
  await call('Abort', { name: NAME, drain: true });
  await call('Delete', { name: NAME });
  const told = (await history()).map(({ revision, fromRevision, action, summary }) => [
    revision,
    fromRevision,
    action,
    summary.join('; '),
  ]);
  t.same(told, [
    [4, 3, 'delete', 'deleted'],
    [3, 2, 'promote v2', 'stable v1 → v2; split v1=90 v2=10 → v2=100'],
    [2, 1, 'split', 'split v1=100 → v1=90 v2=10'],
    [1, 0, 'apply', 'created; split v1=100'],
  ]);
  const [, promoted, split] = await history();
  t.match(promoted?.by, { origin: 'api', peer: '127.0.0.1', name: /^Zoë of shop Zoë/ });
  t.ok((promoted?.by.name.length ?? 0) <= 100, 'a name is bounded');
  t.same(split?.by, { origin: 'api', peer: '127.0.0.1', name: '' });
  const all = await call<HistoryResponse>('History', { limit: 1, documents: true });
  t.match(all, { entries: [{ key: 'shop/checkout', document: null }], more: 3 });
  t.match(await failure(history('nobody.shop')), /no service shop\/nobody is configured/);
});

t.test('undo goes back one change, again forth, or to a revision', async (t) => {
  const { mesh, call, splitNow } = await start(t, checkout({ split: { v1: 1 } }));
  await mesh.sidecar();
  t.match(await failure(call('Undo', { name: NAME })), /revision 1, created it; "roost delete" takes it out/);
  await mesh.split(NAME, { v1: 90, v2: 10 });
  await mesh.split(NAME, { v1: 50, v2: 50 });
  t.match(await mesh.change('Undo', { name: NAME }), {
    revision: 4,
    changed: true,
    differences: [{ key: 'shop/checkout', summary: ['split v1=50 v2=50 → v1=90 v2=10'] }],
  });
  await mesh.change('Undo', { name: NAME });
  t.same(await splitNow(), [50, 50], 'undoing twice does the change again');
  const late = await failure(call('Undo', { name: NAME, expectedRevision: 4 }));
  t.match(
    late,
    /expected at revision 4, but it is at revision 5;.*\nsince then:\n {2}revision 5, .* split v1=90/s,
  );
  await mesh.change('Undo', { name: NAME, toRevision: 2 });
  t.same(await splitNow(), [90, 10]);
  t.match(await call('Undo', { name: NAME, toRevision: 2 }), { changed: false });
  t.match(await failure(call('Undo', { name: NAME, toRevision: 9 })), /no revision 9 yet; the newest is 6/);
  await mesh.apply(meshService('cart.shop'));
  t.match(await failure(call('Undo', { name: 'cart.shop', toRevision: 6 })), /did not exist at revision 6/);
  await call('Delete', { name: NAME });
  await mesh.change('Undo', { name: NAME });
  t.same(await splitNow(), [90, 10], 'what was deleted is there again');
  t.match(await failure(call('Undo', { name: 'nobody' })), /no service default\/nobody is configured/);
});

t.test('of many who split at once from one revision one wins, and the others are told who', async (t) => {
  const { call } = await start(t, checkout({ split: { v1: 1 } }));
  const attempts = Array.from({ length: 10 }, (_, i) => {
    const split = [
      { version: 'v1', weight: i + 1 },
      { version: 'v2', weight: 50 },
    ];
    return failure(call('Split', { name: NAME, split, expectedRevision: 1 }));
  });
  const outcomes = await Promise.all(attempts);
  t.equal(outcomes.filter((outcome) => outcome === 'no failure').length, 1);
  const winner = outcomes.indexOf('no failure') + 1;
  const told = new RegExp(`revision 2, .*, by \\(127\\.0\\.0\\.1\\): split v1=100 → v1=${winner} v2=50`);
  for (const outcome of outcomes.filter((text) => text !== 'no failure')) t.match(outcome, told);
});

t.test('a restored control plane has the services, the history and the pins of the backup', async (t) => {
  const { mesh, call, history, splitNow } = await start(t, checkout({ split: { v1: 1 } }));
  await mesh.split(NAME, { v1: 90, v2: 10 });
  const { file } = await call<{ file: Buffer }>('Backup', {});
  await mesh.split(NAME, { v1: 1, v2: 1 });
  await mesh.apply(meshService('cart.shop'));
  const dry = await call('Restore', { file, dryRun: true });
  t.same(
    dry.differences.map(({ key, summary }) => [key, ...summary]),
    [
      ['shop/cart', 'deleted'],
      ['shop/checkout', 'split v1=1 v2=1 → v1=90 v2=10'],
    ],
  );
  t.same(await splitNow(), [1, 1], 'a dry run changes nothing');
  t.match(await call('Restore', { file }), { revision: 5, changed: true });
  t.same(await splitNow(), [90, 10]);
  t.match(await history('cart.shop'), [{ action: 'restore', summary: ['deleted'] }, { action: 'apply' }]);
  t.match(await call('Restore', { file }), { revision: 5, changed: false });

  const other = await start(t);
  const sidecar = await other.mesh.sidecar();
  await other.mesh.change('Restore', { file });
  t.same(await other.splitNow(), [90, 10]);
  t.same(
    (await other.history()).map(({ revision, action, summary }) => [revision, action, summary.length]),
    [
      [3, 'restore', 0],
      [2, 'split', 1],
      [1, 'apply', 2],
    ],
  );
  t.match(await (await fetch(`http://${sidecar.addresses.admin}/config_dump`)).text(), /shop\/checkout/);
  const again = await other.call<{ file: Buffer }>('Backup', {});
  // Anything that differed would be another revision.
  t.match(
    await call('Restore', { file: again.file }),
    { revision: 5, changed: false },
    'the secret and the births of releases are the same as well',
  );
});

t.test('a backup that is not whole is refused by what is wrong with it', async (t) => {
  const { call } = await start(t, checkout());
  const { file } = await call<{ file: Buffer }>('Backup', {});
  const flipped = Buffer.from(file);
  flipped[flipped.length - 9] = (flipped.at(-9) as number) ^ 1;
  const end = file.indexOf(0x0a);
  const cases: [Buffer, RegExp][] = [
    [Buffer.alloc(0), /is not a roost-backup/],
    [Buffer.from('{"file":"other"}\n'), /is not a roost-backup/],
    [file.subarray(0, file.length - 1), /is cut off: \d+ of \d+ bytes of content are there/],
    [file.subarray(0, end + 1), /is cut off: 0 of/],
    [Buffer.concat([file, Buffer.from('x')]), /has 1 bytes after its end/],
    [flipped, /is damaged: its content is not what its checksum says/],
  ];
  for (const [bytes, message] of cases) t.match(await failure(call('Restore', { file: bytes })), message);
  t.match(await call('Restore', { file }), { changed: false });
});

t.test('files are authors of what they declare, and a restore does not take that from them', async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, 'cart.yaml');
  await writeFile(file, stringify(meshService('cart.shop')));
  const mesh = await TestMesh.start(t, [], { config: [file] });
  const { entries } = await mesh.client.call<HistoryResponse>('History', { name: '' });
  t.match(entries, [{ key: 'shop/cart', action: 'files', by: { origin: 'files', name: '', peer: '' } }]);

  const other = await start(t, checkout());
  const without = await other.call<{ file: Buffer }>('Backup', {});
  const refused = await failure(mesh.client.call('Restore', { file: without.file }));
  t.equal(refused, `shop/cart is declared in ${file}; take it out there`);
  const split = { name: 'cart.shop', split: [{ version: 'v1', weight: 7 }] };
  for (const [method, request] of [
    ['Split', split],
    ['Promote', { name: 'cart.shop', release: 'v1' }],
    ['Apply', { documents: [toStruct(meshService('cart.shop', { v1: 3 }))] }],
  ] as const)
    t.match(
      await failure(mesh.client.call(method, request)),
      `shop/cart is declared in ${file}; change it there, or with --force`,
      method,
    );
  const forced = await mesh.change('Split', { ...split, force: true });
  t.match(forced.notes, [`shop/cart is declared in ${file}: this change ends when`]);
  t.match(await failure(mesh.client.call('Undo', { name: 'cart.shop' })), 'is declared in');
  await other.mesh.apply(meshService('cart.shop'));
  const both = await other.call<{ file: Buffer }>('Backup', {});
  await mesh.client.call('Restore', { file: both.file });
  const { services } = await mesh.client.call<ListResponse>('List', {});
  t.same(
    services.map((service) => [service.key, service.file]),
    [
      ['shop/cart', file],
      ['shop/checkout', ''],
    ],
  );
});

t.test('a name that claims to be the files is no more than a name', async (t) => {
  const { mesh, history } = await start(t);
  const liar = new ControlPlaneClient(toAddress(mesh.controlPlane.grpcAddress), 'files');
  t.teardown(() => liar.close());
  await liar.call('Apply', { documents: [toStruct(checkout())] });
  t.match((await history())[0]?.by, { origin: 'api', name: 'files', peer: '127.0.0.1' });
});
