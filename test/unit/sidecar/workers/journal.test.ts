import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import t, { type Test } from 'tap';
import { FoundCounts, MadeCounts } from '../../../../sidecar/cluster/shared-counts.js';
import { type Change, Journal, type JournalEntry } from '../../../../sidecar/workers/journal.js';
import { JournalReader } from '../../../../sidecar/workers/journal-reader.js';

const overdue = (n: number): Change => ({ what: 'overdue', routes: [String(n)] });

function start(t: Test) {
  const { port1, port2 } = new MessageChannel();
  const inForce = new Int32Array(new SharedArrayBuffer(4));
  const counts = { made: new MadeCounts(), found: new FoundCounts() };
  const made: string[] = [];
  const reader = new JournalReader({ port: port2, inForce }, counts.found, (change) => {
    if (change.what === 'overdue') made.push(...change.routes);
  });
  t.teardown(() => reader.close());
  return {
    port: port1,
    inForce,
    counts,
    made,
    reader,
    journal: new Journal([port1], inForce, counts.made, () => true),
  };
}

t.test('what is in force is made at once by whoever is about to decide, in order, and once', async (t) => {
  const { journal, reader, made } = start(t);
  for (let n = 0; n < 5; n++) journal.write(overdue(n));
  t.strictSame(made, [], 'nobody has looked yet');
  reader.catchUp();
  t.strictSame(made, ['0', '1', '2', '3', '4']);
  reader.catchUp();
  journal.write(overdue(5));
  reader.catchUp();
  await new Promise(setImmediate);
  t.strictSame(made, ['0', '1', '2', '3', '4', '5'], 'and not again when the messages would have come');
});

t.test('what nobody asks for is made when it arrives', async (t) => {
  const { journal, made } = start(t);
  journal.write(overdue(1));
  while (made.length === 0) await new Promise(setImmediate);
  t.strictSame(made, ['1']);
});

t.test('what has arrived and is not in force waits until it is', async (t) => {
  const { port, inForce, reader, made } = start(t);
  const entry = (n: number): JournalEntry => ({ change: overdue(n), isReady: true, counts: [] });
  const { port1: marker, port2: seen } = new MessageChannel();
  for (const n of [1, 2]) port.postMessage(entry(n));
  marker.postMessage('sent later');
  await once(seen, 'message');
  seen.close();
  await new Promise(setImmediate);
  reader.catchUp();
  t.strictSame(made, []);
  Atomics.add(inForce, 0, 1);
  port.postMessage(entry(3));
  reader.catchUp();
  t.strictSame(made, ['1'], 'one of those that are here');
  Atomics.add(inForce, 0, 2);
  reader.catchUp();
  t.strictSame(made, ['1', '2', '3'], 'those that are here, then those on their way');
});

t.test('a number that nothing was sent for is a defect, and said', async (t) => {
  const { inForce, reader } = start(t);
  Atomics.add(inForce, 0, 1);
  t.throws(() => reader.catchUp(), /in force that this worker was not sent/);
});

t.test('counts are found where they were made, as often as they were', async (t) => {
  const { journal, reader, counts } = start(t);
  const first = counts.made.forEndpoint('c', '10.0.0.1:80');
  const cluster = counts.made.forCluster('c');
  journal.write(overdue(1));
  const second = counts.made.forEndpoint('c', '10.0.0.1:80');
  journal.write(overdue(2));
  reader.catchUp();
  const found = [counts.found.forEndpoint('c', '10.0.0.1:80'), counts.found.forEndpoint('c', '10.0.0.1:80')];
  first.takeRequest(10);
  for (let i = 0; i < 2; i++) second.takeRequest(10);
  cluster.requests.take(1);
  t.strictSame(
    found.map(({ requests }) => requests),
    [1, 2],
  );
  t.equal(counts.found.forCluster('c').requests.taken, 1);
  t.throws(() => counts.found.forEndpoint('c', '10.0.0.1:80'), /no counts for 10.0.0.1:80 of c/);
});
