import t from 'tap';
import { parseBusyMs } from '../../../../bench/measure/machine-load.js';
import {
  fineCpuMs,
  type ProcessRow,
  parsePrivateKib,
  parseProcStat,
  parsePs,
  parsePsTime,
  parseSchedstat,
  privateBytes,
  sumTree,
  usageOf,
} from '../../../../bench/measure/process-usage.js';

t.test('reads /proc/PID/stat even where the name has spaces and brackets', async (t) => {
  const fields = '1 4242 4242 0 -1 4194560 100 0 0 0 250 50 30 20 20 0 11 0 12345 0 0';
  t.same(parseProcStat(`77 (a ) (b) S ${fields}`, 2048), {
    pid: 77,
    parent: 1,
    cpuMs: 3000,
    endedChildrenMs: 500,
    residentBytes: 2048 * 1024,
  });
});

t.test('reads the times that ps prints, on Linux and on macOS', async (t) => {
  const cases: [string, number][] = [
    ['00:00:07', 7000],
    ['1:02.53', 62_530],
    ['01:02:03', 3_723_000],
    ['2-01:00:00', 176_400_000],
  ];
  for (const [text, ms] of cases) t.equal(parsePsTime(text), ms, text);
});

t.test('reads a list of ps and leaves out what is not a process', async (t) => {
  t.same(parsePs('  1     0 00:00:01  1024\n\n 20 1 0:00.50 2048\n'), [
    { pid: 1, parent: 0, cpuMs: 1000, endedChildrenMs: 0, residentBytes: 1_048_576 },
    { pid: 20, parent: 1, cpuMs: 500, endedChildrenMs: 0, residentBytes: 2_097_152 },
  ]);
});

t.test('sums a process and all its descendants, in whatever order they are listed', async (t) => {
  const row = (pid: number, parent: number): ProcessRow => ({
    pid,
    parent,
    cpuMs: pid,
    endedChildrenMs: 1,
    residentBytes: pid * 10,
  });
  const rows = [row(4, 3), row(3, 2), row(2, 1), row(9, 1)];
  t.same(sumTree(rows, 2), { cpuMs: 9, endedChildrenMs: 3, residentBytes: 90 });
  t.same(sumTree(rows, 77), { cpuMs: 0, endedChildrenMs: 0, residentBytes: 0 }, 'a process that is gone');
});

t.test('sees that this very process has used CPU and memory', async (t) => {
  const { cpuMs, residentBytes } = usageOf(process.pid);
  t.ok(cpuMs > 0);
  t.ok(residentBytes > 1_000_000);
});

t.test('counts every kind of busy time of the machine, and neither idle nor iowait', async (t) => {
  t.equal(parseBusyMs('cpu  1 2 3 1000 1000 4 5 6 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n'), 210);
});

t.test('time on a CPU, to the nanosecond', async (t) => {
  t.equal(parseSchedstat('163523791 24917 49\n'), 163_523_791);
  const before = fineCpuMs(process.pid);
  for (const began = process.cpuUsage().user; process.cpuUsage().user - began < 20_000; );
  t.ok(fineCpuMs(process.pid) - before >= 10, 'some of 20 ms at least');
  t.equal(Number.isFinite(fineCpuMs(2 ** 30)), true, 'nobody');
});

t.test('sums the private memory of a process, and knows none of one that has ended', async (t) => {
  const rollup = 'Rss:  700 kB\nShared_Clean:  400 kB\nPrivate_Clean:  100 kB\nPrivate_Dirty:  200 kB\n';
  t.equal(parsePrivateKib(rollup), 300);
  t.equal(privateBytes(2 ** 30), undefined);
  const own = privateBytes(process.pid);
  t.ok(own === undefined || (own > 0 && own < usageOf(process.pid).residentBytes));
});
