import t from 'tap';
import { changeRows, compareRuns } from '../../../../bench/report/compare.js';
import { cell, run } from './sample-run.js';

const withCpu = (...values: number[]) =>
  run({ cells: [cell('roost', 'small', ...values.map((cpuUs) => ({ cpuUs })))] });
const cpuVerdict = (before: number[], after: number[]) =>
  compareRuns(withCpu(...before), withCpu(...after)).find(({ what }) => what.includes('CPU'))?.verdict;

t.test('a change counts where the rounds do not overlap and the medians are apart', async (t) => {
  t.equal(cpuVerdict([20, 21, 22], [30, 31, 32]), 'worse');
  t.equal(cpuVerdict([30, 31, 32], [20, 21, 22]), 'better');
  t.equal(cpuVerdict([20, 21, 31], [30, 31, 32]), 'same', 'the ranges overlap');
  t.equal(cpuVerdict([20, 20.1, 20.2], [20.5, 20.6, 20.7]), 'same', 'apart, but by less than noise');
});

t.test('more requests a second are better, more memory is worse', async (t) => {
  const before = run({ cells: [cell('roost', 'small', {})] });
  const after = run({
    cells: [cell('roost', 'small', { requestsPerSecond: 20_000, residentBytes: 128 * 2 ** 20 })],
  });
  const verdicts = compareRuns(before, after);
  t.equal(verdicts.find(({ what }) => what.includes('requests/s'))?.verdict, 'better');
  t.equal(verdicts.find(({ what }) => what.includes('memory'))?.verdict, 'worse');
});

t.test('latencies at different rates are not compared', async (t) => {
  const before = run({ cells: [cell('roost', 'small', {})], rates: { small: 5000 } });
  const after = run({ cells: [cell('roost', 'small', { p99: 50 })], rates: { small: 9000 } });
  t.notOk(compareRuns(before, after).some(({ what }) => what.includes('p99')));
  t.ok(compareRuns(before, before).some(({ what }) => what.includes('p99')));
});

t.test('special figures are compared by name; what only one run has is left out', async (t) => {
  const special = (ns: number) => [{ name: 'a pick', unit: 'ns', values: [ns], goal: 300 }];
  const [change] = compareRuns(
    run({ cells: [], special: special(200) }),
    run({ cells: [], special: special(400) }),
  );
  t.match(change, { what: 'a pick, ns', verdict: 'worse' });
  t.same(compareRuns(run({ cells: [] }), run({ cells: [], special: special(1) })), []);
});

t.test('a change is printed in per cent', async (t) => {
  t.same(changeRows([{ what: 'x', before: 20, after: 30, verdict: 'worse' }])[1], [
    'x',
    '20.0',
    '30.0',
    '+50.0 %',
    'worse',
  ]);
});
