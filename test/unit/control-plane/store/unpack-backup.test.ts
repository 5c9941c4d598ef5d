import { gzipSync } from 'node:zlib';
import t from 'tap';
import { packBackup } from '../../../../control-plane/store/backup.js';
import { emptyState } from '../../../../control-plane/store/config-state.js';
import { unpackBackup } from '../../../../control-plane/store/unpack-backup.js';
import { seal } from '../../../../src/lifecycle/sealed-file.js';
import type { MeshServiceInput } from '../../../../src/model/schema.js';
import { meshService } from '../../../support/shop.js';

const AT = '2026-12-01T00:00:00.000Z';
/** A file whose checksum is right, whatever it holds. */
const sealed = (content: Buffer) => seal({ file: 'roost-backup', format: 2, at: AT }, {}, content);
const zipped = (value: unknown) => sealed(gzipSync(JSON.stringify(value)));
const snapshot = (more: object) => ({
  kind: 'snapshot',
  format: 2,
  revision: 1,
  pinSecret: '',
  services: [],
  history: [],
  ...more,
});

t.test('gives back what was packed', async (t) => {
  const document = meshService('cart.shop') as MeshServiceInput;
  const services = Array.from(
    { length: 500 },
    (_, n) => [`shop/cart-${n}`, { document, revision: n, born: { v1: n } }] as const,
  );
  const state = { ...emptyState(Buffer.alloc(32, 1)), revision: 500, services: new Map(services) };
  const content = await unpackBackup(await packBackup(state, AT));
  t.same(content.services, services);
  t.equal(content.pinSecret, Buffer.alloc(32, 1).toString('base64'));
  t.equal(content.revision, 500);
});

t.test('a small file that unpacks to hundreds of megabytes is refused', async (t) => {
  const bomb = sealed(gzipSync(Buffer.alloc(390 * 1024 * 1024, ' ')));
  t.ok(bomb.length < 400_000, `${bomb.length} bytes`);
  await t.rejects(unpackBackup(bomb), /unpacks to more than 128 MiB, the most that is taken/);
});

t.test('one at a time', async (t) => {
  const file = zipped(snapshot({}));
  const first = unpackBackup(file);
  await t.rejects(unpackBackup(file), /another backup is being unpacked/);
  await first;
  await unpackBackup(file);
});

t.test('what is damaged is refused by what is wrong with it', async (t) => {
  for (const [file, why] of [
    [Buffer.from('hello'), /is not a roost-backup/],
    [sealed(Buffer.from('no gzip')), /does not unpack/],
    [sealed(gzipSync('no json')), /not JSON/],
    [zipped(null), /not a configuration/],
    [zipped({ kind: 'change' }), /not a configuration/],
    [zipped(snapshot({ services: {} })), /not a configuration/],
    [
      zipped(snapshot({ services: [['shop/cart', { document: 'x', revision: 1, born: {} }]] })),
      /not a configuration/,
    ],
    [
      zipped(snapshot({ services: [['shop/cart', { document: {}, revision: -1, born: {} }]] })),
      /not a configuration/,
    ],
    [
      zipped(snapshot({ services: [['a/b', { document: {}, revision: 1, born: {}, grant: { hosts: 1 } }]] })),
      /not a configuration/,
    ],
    [zipped(snapshot({ history: [7] })), /not a configuration/],
    [zipped(snapshot({ format: 99 })), /is of format 99; this version reads formats up to 2/],
    [
      zipped(snapshot({ services: [['a/b', { document: { x: 'x'.repeat(9e6) }, revision: 1, born: {} }]] })),
      /has one of services with \d+ characters, more than/,
    ],
  ] as const)
    await t.rejects(unpackBackup(file), { name: 'InvalidBackupError', message: why });
});
