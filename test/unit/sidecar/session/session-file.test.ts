import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { SessionFile } from '../../../../sidecar/session/session-file.js';
import { SessionTable } from '../../../../sidecar/session/session-table.js';
import { xxh64 } from '../../../../src/hashing/xxh64.js';
import { PinDigests } from '../../../../src/routing/pins.js';

const HOUR_MS = 3_600_000;
const digests = new PinDigests(Buffer.alloc(32), 'checkout.shop');
const hashOf = (n: number) => xxh64(`user-${n}`);

function pinOf(n: number) {
  const to = { release: 1 + n, label: n % 2 === 1 };
  return { ...digests.pin(to, `10.0.0.${n % 250}:80`), generation: n % 1000, revision: 2 ** 31 + n };
}

function start(directory: string, over: { service?: string; wallMs?: number; nowMs?: number } = {}) {
  const { service = 'frontend.shop', wallMs = 1_000_000, nowMs = 0 } = over;
  const table = new SessionTable(4000, nowMs);
  const lines: string[] = [];
  const log = {
    info: (_: object, line: string) => lines.push(line),
    warn: (_: object, line: string) => lines.push(line),
  };
  const file = new SessionFile({
    ...{ directory, service, table },
    nowMs: () => nowMs,
    wallMs: () => wallMs,
    log: log as never,
  });
  return { table, file, lines };
}

t.test('a sidecar that starts again knows the sessions that it knew', async (t) => {
  const directory = t.testdir({});
  const before = start(directory);
  for (let n = 0; n < 1000; n++)
    before.table.set(hashOf(n), pinOf(n), 0, {
      owner: { caller: '10.0.0.9', scope: 1n },
      tag: n,
      saltedHash: n % 3 === 0 ? 0n : BigInt(n),
      salt: n % 3,
    });
  before.table.merge({ hash: hashOf(5000), pin: pinOf(5), idleS: 100, source: 3, tag: 7 }, HOUR_MS, 0);
  await before.file.close();
  t.equal(statSync(join(directory, 'sessions')).mode & 0o777, 0o600);

  const after = start(directory, { wallMs: 1_000_000 + 60_000 });
  await after.file.restore();
  t.equal(after.table.size, 1001);
  for (const n of [0, 1, 999]) t.match(after.table.peek(hashOf(n), 0), { pin: pinOf(n), idleS: 60, tag: n });
  t.match(after.table.peek(hashOf(5000), 0), { idleS: 160 });
  const own: boolean[] = [];
  after.table.visit(0, after.table.slots, 0, (entry) => void own.push(entry.isOwn));
  t.equal(own.filter(Boolean).length, 1000, 'and which of them it made');
  t.equal(after.table.find(hashOf(1), 59_000, 0), undefined, 'its time went on meanwhile');
  t.match(after.lines, ['starting from the sessions on disk']);
});

t.test('a clock that was put back makes no session younger', async (t) => {
  const directory = t.testdir({});
  const before = start(directory);
  before.table.set(hashOf(1), pinOf(1), 0);
  await before.file.close();
  const after = start(directory, { wallMs: 0 });
  await after.file.restore();
  t.match(after.table.peek(hashOf(1), 0), { idleS: 0 });
});

t.test('what is damaged, or of another service, is told of and left alone', async (t) => {
  const directory = t.testdir({});
  const before = start(directory);
  for (let n = 0; n < 10; n++) before.table.set(hashOf(n), pinOf(n), 0);
  await before.file.close();
  const other = start(directory, { service: 'billing.shop' });
  await other.file.restore();
  t.same([other.table.size, other.lines], [0, ['the sessions on disk cannot be used']]);
  const path = join(directory, 'sessions');
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] = 255;
  writeFileSync(path, bytes);
  const damaged = start(directory);
  await damaged.file.restore();
  t.same([damaged.table.size, damaged.lines], [0, ['the sessions on disk cannot be used']]);
  const none = start(t.testdir({ other: {} }));
  await none.file.restore();
  t.same(none.lines, [], 'nothing is there, and nothing is told');
});
