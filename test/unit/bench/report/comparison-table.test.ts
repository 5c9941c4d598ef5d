import t from 'tap';
import { comparisonMarkdown, formatComparison } from '../../../../bench/report/comparison-table.js';
import { describeRun } from '../../../../bench/report/markdown.js';
import { formatNumber, formatRatio } from '../../../../bench/report/number-format.js';
import { markdownTable, textTable } from '../../../../bench/report/text-table.js';
import { cell, run } from './sample-run.js';

t.test('numbers show three digits that matter', async (t) => {
  const cases: [number, string][] = [
    [0.2134, '0.21'],
    [17.94, '17.9'],
    [174.4, '174'],
    [1234, '1,230'],
    [31_249, '31,200'],
    [Number.NaN, '–'],
  ];
  for (const [value, text] of cases) t.equal(formatNumber(value), text);
  t.equal(formatRatio(3, 2), '1.50×');
  t.equal(formatRatio(3, undefined), '');
});

t.test('columns are as wide as their widest entry', async (t) => {
  t.equal(textTable([['', 'ms'], ['haproxy', '0.21'], ['a']]), '           ms\nhaproxy  0.21\na');
  t.equal(
    markdownTable([
      ['', 'ms'],
      ['a', '1'],
    ]),
    '|  | ms |\n|---|---:|\n| a | 1 |',
  );
});

t.test('every peer has its line, with medians, ratio to HAProxy and range of the rounds', async (t) => {
  const text = formatComparison(run());
  t.match(text, /Small GET, 64 connections; latency at 5,000 requests\/s, half of what envoy can do/);
  t.match(text, /roost .* 42\.0 2\.00×/);
  t.match(text, /20\.0–22\.0/);
});

t.test('a peer that is missing is named, and why', async (t) => {
  t.match(formatComparison(run()), /^envoy +–$/m);
  t.match(formatComparison(run()), /^envoy: missing: put envoy on PATH$/m);
  t.match(comparisonMarkdown(run()), /\| envoy \| missing: put envoy on PATH \|/);
});

t.test('a workload that a peer cannot do says so in its place', async (t) => {
  const text = formatComparison(run({ cells: [cell('haproxy', 'small-tls', {})] }));
  t.match(text, /^roost: not measured$/m);
});

t.test('a proxy that waited for load can do at least what was seen; errors are marked', async (t) => {
  const cells = [cell('haproxy', 'small', { busyCores: 0.5 }), cell('roost', 'small', { errors: 3 })];
  const text = formatComparison(run({ cells }));
  t.match(text, /haproxy +≥10,000/);
  t.match(text, /roost +!10,000/);
});

t.test('a run on a busy machine says so', async (t) => {
  t.match(describeRun(run()), /Quiet/);
  t.match(describeRun(run({ othersCores: 0.8 })), /Noisy: other processes kept 0\.80 cores busy/);
  t.notMatch(describeRun(run({ othersCores: undefined })), /Quiet|Noisy/);
});
