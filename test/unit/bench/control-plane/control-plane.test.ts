import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { checkDescriptors, parseHardLimit } from '../../../../bench/control-plane/descriptor-limit.js';
import { FrameReader, frameOf } from '../../../../bench/control-plane/fleet/grpc-frames.js';
import { encodeAck, encodeRequest, outlineOf } from '../../../../bench/control-plane/fleet/wire.js';
import { HELP, MEASUREMENTS, readOptions } from '../../../../bench/control-plane/options.js';
import { putIntoDocs, type ScaleRun, scaleRows } from '../../../../bench/control-plane/report.js';
import { codec } from '../../../../src/xds/descriptors.js';
import { TYPE_URL } from '../../../../src/xds/resource-types.js';
import { temporaryFolder } from '../../../support/folder.js';

t.test('everything is measured unless something is named', async (t) => {
  const options = readOptions([]);
  t.match(options, { sidecars: [1000, 5000, 10_000], services: 1000, rounds: 5, seconds: 60 });
  t.same(options.only, MEASUREMENTS);
  t.same(readOptions(['--only', 'change, memory']).only, ['change', 'memory']);
  t.same(readOptions(['--sidecars', '100,200']).sidecars, [100, 200]);
});

t.test('everything that is wrong is said at once', async (t) => {
  t.throws(
    () => readOptions(['--rounds', '0', '--sidecars', 'x', '--only', 'nonsense', '--record', 'a/b']),
    /--record: "a\/b".*\n.*--only: there is no "nonsense"(?:.|\n)*--sidecars(?:.|\n)*--rounds/,
  );
  t.throws(() => readOptions(['--nonsense']), /Unknown option '--nonsense'/);
});

t.test('every flag and every measurement is in the help', async (t) => {
  const flags = ['only', 'sidecars', 'services', 'rounds', 'seconds', 'json', 'record', 'render', 'profile'];
  for (const word of [...flags.map((flag) => `--${flag}`), ...MEASUREMENTS]) t.ok(HELP.includes(word), word);
});

t.test('a fleet that needs more descriptors than there may be is refused beforehand', async (t) => {
  const limits =
    'Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096       files\n';
  t.equal(parseHardLimit(limits), 4096);
  t.equal(parseHardLimit('Max open files   unlimited   unlimited   files'), undefined);
  t.throws(
    () => checkDescriptors({ only: ['change'], sidecars: [1000, 10_000] }, 4096),
    /may have 4096 files open, and 10200 are needed/,
  );
  t.throws(() => checkDescriptors({ only: ['memory'], sidecars: [1] }, 4096), /5200 are needed/);
  checkDescriptors({ only: ['change', 'sidecar'], sidecars: [1000] }, 4096);
});

t.test('of a response, a simulated sidecar reads what it needs to answer', async (t) => {
  const response = codec('envoy.service.discovery.v3.DeltaDiscoveryResponse').encode({
    systemVersionInfo: '4711',
    typeUrl: TYPE_URL.cluster,
    nonce: 'abc',
    resources: [{ name: 'a' }, { name: 'b', version: 'x'.repeat(300) }],
    removedResources: ['c'],
  });
  const outline = outlineOf(response);
  t.match(outline, { kind: 'cluster', revision: 4711, resources: 2, removed: 1 });
  const ack = codec('envoy.service.discovery.v3.DeltaDiscoveryRequest').decode(encodeAck(outline));
  t.match(ack, { typeUrl: TYPE_URL.cluster, responseNonce: 'abc' });
  t.notOk(ack.errorDetail);
  t.throws(() => outlineOf(Buffer.alloc(0)), /without a type/);
  t.throws(() => outlineOf(Buffer.from([8, 1])), /wire type 0/);
});

t.test('messages are put together from whatever pieces they come in', async () => {
  const message = fc.uint8Array({ maxLength: 30 });
  fc.assert(
    fc.property(fc.array(message), fc.array(fc.nat(20)), (messages, cuts) => {
      const all = Buffer.concat(messages.map((bytes) => frameOf(Buffer.from(bytes))));
      const reader = new FrameReader();
      const read: Buffer[] = [];
      let at = 0;
      for (const cut of [...cuts, all.length]) {
        reader.push(all.subarray(at, at + cut), (bytes) => read.push(bytes));
        at += cut;
      }
      return Buffer.concat(read).equals(Buffer.concat(messages)) && read.length === messages.length;
    }),
  );
});

t.test('a frame may announce more than it holds', async (t) => {
  const read: Buffer[] = [];
  const reader = new FrameReader();
  reader.push(frameOf(encodeRequest({ typeUrl: 'a' }), 3), (bytes) => read.push(bytes));
  t.equal(read.length, 0);
  reader.push(Buffer.from('xyz'), (bytes) => read.push(bytes));
  t.equal(read.length, 1);
});

t.test('a run is shown with its goals, and put where the page has room for it', async (t) => {
  const run: ScaleRun = {
    schema: 'control-plane-1',
    date: '2026-01-02T03:04:05.000Z',
    commit: 'abc1234',
    machine: { cpu: 'Test CPU', cores: 2, memoryGiB: 8, system: 'Linux 6' },
    node: '20.20.2',
    rounds: 3,
    services: 1000,
    figures: [
      { name: 'one', unit: 'ms', values: [1, 3, 2], goal: 2 },
      { name: 'two', unit: 'KB', values: [7], goal: 5 },
      { name: 'three', unit: 's', values: [9], goal: undefined },
    ],
    othersCores: 0.02,
  };
  t.same(scaleRows(run).slice(1), [
    ['one', '2.00 ms', '1.00–3.00', '≤ 2 ms', 'met'],
    ['two', '7.00 KB', '', '≤ 5 KB', 'NOT MET'],
    ['three', '9.00 s', '', '', ''],
  ]);
  const page = join(await temporaryFolder(t), 'page.md');
  writeFileSync(page, 'before\nafter');
  t.throws(() => putIntoDocs(run, 'x.json', page), /has no place for results/);
  const marks = [
    '<!-- results: written by `npm run bench:control-plane -- --record NAME`; edits between these marks are lost -->',
    '<!-- end of results -->',
  ];
  writeFileSync(page, `before\n${marks[0]}\nold\n${marks[1]}\nafter`);
  putIntoDocs(run, 'x.json', page);
  const text = readFileSync(page, 'utf8');
  t.match(text, /^before\n<!--.*-->\n\n2026-01-02, commit abc1234: .*Quiet/);
  t.match(text, /\| one \| 2\.00 ms \| 1\.00–3\.00 \| ≤ 2 ms \| met \|/);
  t.match(text, /after$/);
  t.notMatch(text, /old/);
});
