import t from 'tap';
import { LogOutput } from '../../../../src/telemetry/log-output.js';

/** A reader that takes what it is given only when told to. */
class Reader {
  readonly taken: string[] = [];
  private pending: { text: string; done: (error?: Error) => void } | undefined;
  readonly output = new LogOutput((text, done) => {
    if (this.pending !== undefined) throw new Error('written before the last was taken');
    this.pending = { text, done };
  });

  get offered(): string | undefined {
    return this.pending?.text;
  }

  take(error?: Error): void {
    const { text, done } = this.pending as { text: string; done: (error?: Error) => void };
    this.pending = undefined;
    if (error === undefined) this.taken.push(text);
    done(error);
  }
}

const KIB = 'x'.repeat(1023);

t.test(
  'urgent lines go at once, with what was collected before them; one piece at a time, of whole lines',
  async (t) => {
    const reader = new Reader();
    const { output } = reader;
    output.bulk.write('a\n');
    t.equal(reader.offered, undefined);
    output.urgent.write('b\n');
    t.equal(reader.offered, 'a\nb\n');
    output.urgent.write('c\n');
    output.bulk.write('d\n');
    t.equal(reader.offered, 'a\nb\n');
    reader.take();
    t.equal(reader.offered, 'c\nd\n');
    reader.take();
    t.strictSame(reader.taken, ['a\nb\n', 'c\nd\n']);
  },
);

t.test(
  'for a reader that does not keep up a bounded amount is held; the rest is dropped and counted',
  async (t) => {
    const reader = new Reader();
    const { output } = reader;
    for (let i = 0; i < 2000; i++) output.bulk.write(`${KIB}\n`);
    t.equal(output.dropped, 2000 - 1024);
    output.urgent.write('one more of the process\n');
    t.equal(output.dropped, 2000 - 1024, 'the log of the process has a reserve');
    for (let i = 0; i < 100; i++) output.urgent.write(`${KIB}\n`);
    t.equal(output.dropped, 2000 - 1024 + 100 - 63, 'which ends, too');
    while (reader.offered !== undefined) reader.take();
    t.equal(reader.taken.join('').split('\n').length - 1, 1024 + 1 + 63);
    output.bulk.write('again\n');
    t.equal(output.takeRest(), 'again\n', 'once it has been taken, there is room');
  },
);

t.test('lines that are few are written after a while', async (t) => {
  const written = new Promise<string>((resolve) => {
    new LogOutput((text) => resolve(text)).bulk.write('alone\n');
  });
  t.equal(await written, 'alone\n');
});

t.test('draining waits for the reader, but not for ever', async (t) => {
  const reader = new Reader();
  const { output } = reader;
  t.equal(await output.drain(1), true, 'nothing to wait for');
  output.urgent.write('a\n');
  output.bulk.write('b\n');
  t.equal(await output.drain(1), false, 'nobody reads');
  const drained = output.drain(60_000);
  reader.take();
  reader.take();
  t.equal(await drained, true);
  t.strictSame(reader.taken, ['a\n', 'b\n']);
});

t.test('a reader that is gone costs nothing', async (t) => {
  const reader = new Reader();
  const { output } = reader;
  output.urgent.write('a\n');
  output.bulk.write('b\n');
  reader.take(new Error('EPIPE'));
  t.equal(reader.offered, undefined);
  t.equal(output.takeRest(), '');
});

t.test('lines of another output are passed on whole, and it is told when they are taken', async (t) => {
  const reader = new Reader();
  const { output } = reader;
  const told: string[] = [];
  output.bulk.write('own\n');
  output.relay('a\nb\n', () => told.push('first'));
  t.equal(reader.offered, 'own\na\nb\n');
  output.relay('c\n', () => told.push('second'));
  t.same(told, []);
  reader.take();
  t.same(told, ['first']);
  t.equal(reader.offered, 'c\n');
  output.relay('d\n', () => told.push('third'));
  reader.take(new Error('EPIPE'));
  t.same(told, ['first', 'second', 'third'], 'with nobody left to read, nobody waits');
});

t.test('what others pass on takes no room from the process’s own lines', async (t) => {
  const reader = new Reader();
  const { output } = reader;
  output.relay('x'.repeat(3 * 1024 * 1024), () => {});
  output.bulk.write('own\n');
  output.urgent.write('urgent\n');
  t.equal(output.dropped, 0);
  reader.take();
  t.equal(reader.offered, 'own\nurgent\n');
});
