import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { ResourceConsumer } from '../../../../sidecar/discovery/ads-client.js';
import {
  decodeConfiguration,
  encodeConfiguration,
} from '../../../../sidecar/discovery/configuration-file.js';
import { LastGood } from '../../../../sidecar/discovery/last-good.js';
import type { ReceivedResource } from '../../../../sidecar/discovery/response-entries.js';
import { createLogger } from '../../../../src/telemetry/logger.js';
import { PUSH_ORDER, type ResourceKind } from '../../../../src/xds/resource-types.js';
import { temporaryFolder } from '../../../support/folder.js';

const AT = Date.parse('2026-01-01T00:00:00Z');

const resource = (name: string, text = name, version = '1'): ReceivedResource => ({
  name,
  version,
  bytes: Buffer.from(text),
});

/** Takes everything but what is called bad. */
class Consumer implements ResourceConsumer {
  readonly taken: string[] = [];

  onResources(kind: ResourceKind, resources: readonly ReceivedResource[], removed: readonly string[]) {
    for (const { name, bytes } of resources) this.taken.push(`${kind} ${name}=${Buffer.from(bytes)}`);
    for (const name of removed) this.taken.push(`${kind} ${name} gone`);
    return resources
      .filter(({ bytes }) => String(bytes) === 'bad')
      .map(({ name }) => ({ name, reason: 'bad' }));
  }

  onConnected(): void {}
}

function start(directory: string, service = 'checkout.shop') {
  const consumer = new Consumer();
  const lines: Record<string, unknown>[] = [];
  const stored: string[] = [];
  const world = { nowMs: AT, settled: true };
  const lastGood = new LastGood({
    directory,
    service,
    consumer,
    onStored: (listeners) => void stored.push(...listeners),
    origin: () => ({ store: 'the-store', revision: 7 }),
    isSettled: () => world.settled,
    nowMs: () => world.nowMs,
    log: createLogger('test', 'info', { write: (line: string) => void lines.push(JSON.parse(line)) }),
  });
  const kept: string[] = [];
  const restore = () =>
    lastGood.restore((kind, resources) => {
      for (const { name, version } of resources) kept.push(`${kind} ${name} ${version}`);
    });
  for (const kind of PUSH_ORDER) lastGood.wanted(kind, { added: ['*'], dropped: [] });
  return { lastGood, consumer, lines, world, kept, stored, restore };
}

async function folder(t: Test): Promise<string> {
  return join(await temporaryFolder(t), 'state');
}

t.test('what was accepted is there after a restart, in the order in which it can be used', async (t) => {
  const directory = await folder(t);
  const { lastGood } = start(directory);
  lastGood.wanted('cluster', { added: ['c', 'd'], dropped: ['*'] });
  lastGood.onResources('cluster', [resource('c'), resource('d'), resource('unasked')], []);
  lastGood.onResources('listener', [resource('l'), resource('m')], []);
  lastGood.onResources('route', [resource('r', 'old', '1')], []);
  lastGood.onResources('route', [resource('r', 'new', '2'), resource('x', 'bad')], []);
  lastGood.onResources('route', [resource('r', 'bad', '3')], []);
  lastGood.onResources('listener', [], ['m']);
  lastGood.wanted('cluster', { added: [], dropped: ['d'] });
  await lastGood.close();
  t.equal((await stat(join(directory, 'configuration'))).mode & 0o777, 0o600);
  t.same(await readdir(directory), ['configuration']);

  const again = start(directory);
  again.world.nowMs = AT + 90_000;
  t.equal(await again.restore(), true);
  t.same(again.consumer.taken, ['listener l=l', 'route r=new', 'cluster c=c']);
  t.same(again.kept, ['listener l 1', 'route r 2', 'cluster c 1']);
  t.same(again.stored, ['l'], 'listeners are told beforehand');
  t.match(again.lines, [{ msg: 'starting from the last good configuration on disk', ageSeconds: 90 }]);
  t.equal(again.lastGood.restoredMs, AT);
  again.lastGood.onResources('listener', [], []);
  t.equal(again.lastGood.restoredMs, undefined, 'a control plane has answered');
  await again.lastGood.close();
});

t.test('what is not in force yet is not written', async (t) => {
  const directory = await folder(t);
  const { lastGood, world } = start(directory);
  world.settled = false;
  lastGood.onResources('listener', [resource('l')], []);
  await lastGood.close();
  const again = start(directory);
  t.equal(await again.restore(), false);
  t.same([again.lines, again.consumer.taken], [[], []], 'nothing there is nothing to tell');
});

t.test(
  'a file that is not what was written is told and left alone, and nothing of it is taken',
  async (t) => {
    const directory = await folder(t);
    const path = join(directory, 'configuration');
    const { lastGood } = start(directory);
    lastGood.onResources('listener', [resource('l', 'a\nlonger text')], []);
    await lastGood.close();
    const whole = await readFile(path);
    const flipped = (at: number) => Buffer.from(whole.map((byte, i) => (i === at ? byte ^ 1 : byte)));
    const cases: [string, Buffer][] = [
      ['empty', Buffer.alloc(0)],
      ['zeros', Buffer.alloc(whole.length)],
      ['longer', Buffer.concat([whole, whole])],
      ['another format', Buffer.from(whole.toString().replace('"format":1', '"format":9'))],
      ...[1, 10, whole.length - 1].map((size): [string, Buffer] => [
        `cut at ${size}`,
        whole.subarray(0, size),
      ]),
      ...[whole.length - 1, whole.length - 20].map((at): [string, Buffer] => [
        `flipped at ${at}`,
        flipped(at),
      ]),
    ];
    for (const [what, bytes] of cases) {
      await writeFile(path, bytes);
      const { restore, consumer, lines } = start(directory);
      t.equal(await restore(), false, what);
      t.match(
        lines,
        [{ level: 40, msg: 'the configuration on disk cannot be used', path, reason: /^is|^has/ }],
        what,
      );
      t.same(consumer.taken, [], what);
      t.same(await readFile(path), bytes, what);
    }
    await writeFile(path, whole);
    const other = start(directory, 'cart.shop');
    t.equal(await other.restore(), false);
    t.match(other.lines, [
      { reason: /is of a sidecar of checkout\.shop; give each sidecar its own --state-dir/ },
    ]);
  },
);

t.test('a folder that cannot be written to is told once, and again when it can', async (t) => {
  const directory = await folder(t);
  await writeFile(directory, 'a file in its place');
  const { lastGood, lines } = start(directory);
  for (let i = 0; i < 3; i++) {
    lastGood.onResources('listener', [resource('l', String(i))], []);
    await lastGood.close();
  }
  t.match(lines, [{ level: 40, msg: 'the configuration could not be kept on disk' }]);
  t.equal(lines.length, 1);
  await rm(directory);
  await mkdir(directory);
  lastGood.onResources('listener', [resource('l')], []);
  await lastGood.close();
  t.match(lines[1], { msg: 'the configuration is kept on disk again' });
});

t.test('the file has bytes as they were, whatever they are', async (t) => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  const kept = { name: 'a "name"\n', version: 'v', bytes };
  const none = new Map<string, ReceivedResource>();
  const resources = {
    listener: none,
    route: new Map([['r', kept]]),
    cluster: none,
    endpoint: new Map([['e', kept]]),
  };
  const stored = decodeConfiguration(
    encodeConfiguration(resources, {
      service: 'a.b',
      origin: { store: 'here', revision: 7, sidecarKey: 'abc' },
      changedAtMs: AT,
    }),
  );
  t.match(stored, {
    service: 'a.b',
    origin: { store: 'here', revision: 7, sidecarKey: 'abc' },
    changedAtMs: AT,
  });
  t.same(
    Object.entries(stored.resources).map(([kind, list]) => [
      kind,
      list.map((one) => [one.name, ...one.bytes]),
    ]),
    [
      ['listener', []],
      ['route', [[kept.name, ...bytes]]],
      ['cluster', []],
      ['endpoint', [[kept.name, ...bytes]]],
    ],
  );
});

t.test('what has a time to live is not kept: it may be over by the next start', async (t) => {
  const directory = await folder(t);
  const { lastGood } = start(directory);
  lastGood.onResources('listener', [resource('stays'), { ...resource('brief'), ttlMs: 1000 }], []);
  lastGood.onResources('listener', [resource('first'), resource('second')], []);
  lastGood.onResources('listener', [{ ...resource('second', 'with a time'), ttlMs: 1000 }], []);
  await lastGood.close();
  const again = start(directory);
  await again.restore();
  t.same(again.consumer.taken, ['listener stays=stays', 'listener first=first']);
});
