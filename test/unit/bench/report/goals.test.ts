import t from 'tap';
import { evaluateGoals, goalRows } from '../../../../bench/report/goals.js';
import { cell, run } from './sample-run.js';

const verdictOn = (goal: RegExp, ...args: Parameters<typeof run>) =>
  evaluateGoals(run(...args)).find((verdict) => goal.test(verdict.goal));

t.test('CPU goals compare medians with each peer', async (t) => {
  const cells = [
    cell('haproxy', 'small', { cpuUs: 20 }),
    cell('envoy', 'small', { cpuUs: 60 }),
    cell('node+undici', 'small', { cpuUs: 60 }),
    cell('roost', 'small', { cpuUs: 20 }, { cpuUs: 25 }, { cpuUs: 90 }),
  ];
  t.match(verdictOn(/1\.3 × haproxy/, { cells }), { met: true, measured: '1.25 ×' });
  t.match(verdictOn(/< envoy/, { cells }), { met: true, measured: '0.42 ×' });
  t.match(verdictOn(/0\.4 × node/, { cells }), { met: false, measured: '0.42 ×' });
});

t.test('a goal whose peer is missing is not measured, rather than met', async (t) => {
  t.match(verdictOn(/< envoy/), { met: undefined, measured: 'not measured' });
  t.match(verdictOn(/100 KB/), { met: undefined });
});

t.test('the latency goal holds only at half of what envoy itself could do', async (t) => {
  const cells = [cell('envoy', 'small', { p99: 2 }), cell('roost', 'small', { p99: 2 })];
  t.match(verdictOn(/p99/, { cells }), { met: true });
  t.match(verdictOn(/p99/, { cells, rateBasis: 'roost' }), { met: undefined });
});

t.test('throughput of a core counts bytes for each second of CPU', async (t) => {
  const blob = (peer: string, cpuUs: number) =>
    cell(peer, 'blob', { cpuUs, requestsPerSecond: 1000, bytesPerSecond: 100_000_000 });
  const cells = [blob('haproxy', 100), blob('roost', 125)];
  t.match(verdictOn(/100 KB/, { cells }), { met: true, measured: '0.80 × (800 to 1,000)' });
  t.match(verdictOn(/100 KB/, { cells: [blob('haproxy', 100), blob('roost', 130)] }), { met: false });
});

t.test('special figures go by the median of their values, and only those with a goal', async (t) => {
  const special = [
    { name: 'a pick', unit: 'ns', values: [100, 250, 900], goal: 300 },
    { name: 'for information', unit: 'ns', values: [1], goal: undefined },
  ];
  t.match(verdictOn(/a pick ≤ 300 ns/, { special }), { met: true, measured: '250 ns' });
  t.equal(verdictOn(/for information/, { special }), undefined);
});

t.test('verdicts are printed in words', async (t) => {
  const rows = goalRows([
    { goal: 'a', measured: '1', met: true },
    { goal: 'b', measured: '2', met: false },
    { goal: 'c', measured: 'not measured', met: undefined },
  ]);
  t.same(
    rows.slice(1).map((row) => row[2]),
    ['met', 'NOT MET', '–'],
  );
});
