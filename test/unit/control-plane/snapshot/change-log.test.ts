import t from 'tap';
import { ChangeLog } from '../../../../control-plane/snapshot/change-log.js';
import { type ChangedNames, noChanges } from '../../../../control-plane/snapshot/changed-names.js';

const change = (...clusters: string[]): ChangedNames => ({ ...noChanges(), cluster: new Set(clusters) });
const noneSeen = () => 0;
const since = (log: ChangeLog, sequence: number) => [...log.since(sequence).cluster].sort().join(' ');

t.test('a client is told the sum of what it missed', async (t) => {
  const log = new ChangeLog();
  log.add(0, change('a'), noneSeen);
  log.add(1, change('b', 'c'), noneSeen);
  log.add(2, change('a'), noneSeen);
  t.equal(since(log, 0), 'a b c');
  t.equal(since(log, 1), 'a b c');
  t.equal(since(log, 2), 'a');
  log.add(3, change('d'), noneSeen);
  t.equal(since(log, 2), 'a d', 'a sum is not kept beyond the next change');
});

t.test('every kind of resource, aliases included', async (t) => {
  const log = new ChangeLog();
  log.add(0, { ...noChanges(), route: new Set(['r']), alias: new Set(['x']) }, noneSeen);
  log.add(1, { ...noChanges(), listener: new Set(['l']), endpoint: new Set(['e']) }, noneSeen);
  const { cluster, endpoint, listener, route, alias } = log.since(0);
  t.same(
    [cluster, endpoint, listener, route, alias].map((set) => [...set].join()),
    ['', 'e', 'l', 'r', 'x'],
  );
});

t.test('a log that grows too long is merged, and nothing of it is forgotten', async (t) => {
  const log = new ChangeLog(10);
  for (let i = 0; i < 100; i++) log.add(i, change(`c${i}`), noneSeen);
  t.equal(log.since(0).cluster.size, 100, 'who saw nothing is told everything');
  for (let sequence = 0; sequence < 100; sequence++) {
    const told = log.since(sequence).cluster;
    for (let missed = sequence; missed < 100; missed++)
      if (!told.has(`c${missed}`)) t.fail(`who is at ${sequence} is not told of change ${missed}`);
  }
  t.equal(since(log, 99), 'c99', 'who is up to date but for one change is told of that one');
});

t.test('what every client has been told is dropped', async (t) => {
  const log = new ChangeLog(10);
  for (let i = 0; i < 100; i++) log.add(i, change(`c${i}`), () => i - 2);
  t.ok(log.since(0).cluster.size <= 13, `${log.since(0).cluster.size} are left`);
  t.equal(since(log, 98), 'c98 c99');
});
