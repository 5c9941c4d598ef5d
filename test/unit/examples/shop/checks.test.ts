import t from 'tap';
import {
  type Check,
  checkAll,
  checkBrowsers,
  checkNoFailures,
  checkNone,
  checkNoneMoved,
  checkPodLoss,
  checkShare,
} from '../../../../examples/shop/checks.js';
import { Report } from '../../../../examples/shop/report.js';
import type { Place, Placements, Round } from '../../../../examples/shop/traffic.js';

/** `v2-1` → pod 1 of v2. */
function place(pod: string): Place {
  return { release: pod.split('-')[0] as string, pod };
}

function places(pods: Readonly<Record<string, string>>): Placements {
  return new Map(Object.entries(pods).map(([session, pod]) => [session, place(pod)]));
}

function round(failures: readonly string[], requests: number): Round {
  return { places: new Map(), requests, moves: 0, failures, sample: '' };
}

const verdicts = (checks: readonly Check[]) => checks.map(({ ok }) => ok);

t.test('a share within four standard deviations is kept, one beyond is not', async (t) => {
  // 2,000 picks at 10 %: a standard deviation of 13.4, so 147 to 253.
  for (const [count, ok] of [
    [200, true],
    [147, true],
    [253, true],
    [146, false],
    [254, false],
    [0, false],
    [2000, false],
  ] as const)
    t.equal(checkShare('v2', count, 2000, 0.1).ok, ok, `${count} of 2,000`);
  t.equal(checkShare('v2', 140, 2000, 0.1, 6).ok, true, 'the bound is the caller’s to widen');
  t.match(checkShare('v2', 254, 2000, 0.1), {
    measured: '12.7 % (254 of 2,000)',
    promised: '10.0 % ± 2.7 points',
  });
});

t.test('no number is kept where nothing was measured', async (t) => {
  t.notOk(checkShare('v2', 0, 0, 0.1).ok);
  t.notOk(checkNone('failed requests', 0, 0).ok);
  t.notOk(checkAll('on v1', 0, 0).ok);
  t.notOk(checkNoFailures().ok);
  t.same(verdicts(checkNoneMoved('sessions', places({ a: 'v1-1' }), places({ b: 'v1-1' }))), [false, false]);
});

t.test('"none" and "all" take no exception', async (t) => {
  t.ok(checkNone('x', 0, 10).ok);
  t.notOk(checkNone('x', 1, 10).ok);
  t.ok(checkAll('x', 10, 10).ok);
  t.notOk(checkAll('x', 9, 10).ok);
});

t.test('tells flips from hops, in any of several rounds', async (t) => {
  const before = places({ a: 'v1-1', b: 'v1-2', c: 'v2-1' });
  const same = places({ a: 'v1-1', b: 'v1-2', c: 'v2-1' });
  t.same(verdicts(checkNoneMoved('sessions', before, same, same)), [true, true]);
  const hopped = places({ a: 'v1-2', b: 'v1-2' });
  t.same(verdicts(checkNoneMoved('sessions', before, same, hopped)), [true, false]);
  const flipped = places({ a: 'v1-1', c: 'v1-1' });
  t.same(verdicts(checkNoneMoved('sessions', before, flipped, same)), [false, true]);
});

t.test('one failed request is one too many, and is quoted', async (t) => {
  t.ok(checkNoFailures(round([], 100), round([], 1)).ok);
  const check = checkNoFailures(round([], 100), round(['c-7: 503 no usable endpoint'], 100));
  t.notOk(check.ok);
  t.equal(check.measured, '1 of 200: c-7: 503 no usable endpoint');
});

t.test('a lost pod: its sessions move once and stay in their release, no others move', async (t) => {
  const before = places({ dead: 'v2-1', other: 'v2-2', stable: 'v1-1' });
  const moved = places({ dead: 'v2-2', other: 'v2-2', stable: 'v1-1' });
  const kept = (...rounds: Placements[]) => verdicts(checkPodLoss('v2-1', before, rounds));
  t.same(kept(before, moved, moved), [true, true, true]);
  t.same(kept(before, before), [false, true, true], 'it never moved');
  t.same(kept(moved, before, moved), [false, true, true], 'it moved three times');
  t.same(kept(moved, places({ dead: 'v1-1' })), [false, false, true], 'it went to another release');
  t.same(kept(moved, places({ other: 'v2-3' })), [true, true, false], 'somebody else moved');
});

t.test('browsers: one pod, one cookie', async (t) => {
  const stays = { places: [place('v2-1'), place('v2-1'), place('v2-1')], cookiesSet: [1, 0, 0] };
  t.same(verdicts(checkBrowsers([stays, stays], 'v2')), [true, true]);
  const hops = { ...stays, places: [place('v2-1'), place('v2-2'), place('v2-1')] };
  t.same(verdicts(checkBrowsers([stays, hops], 'v2')), [false, true]);
  t.same(verdicts(checkBrowsers([stays], 'v1')), [false, true], 'on another release than it should be');
  for (const cookiesSet of [
    [1, 1, 0],
    [0, 0, 0],
    [2, 0, 0],
  ])
    t.same(verdicts(checkBrowsers([{ ...stays, cookiesSet }], 'v2')), [true, false], cookiesSet.join());
});

t.test('a report with one broken promise is a failure that names the step and the number', async (t) => {
  let text = '';
  const report = new Report({ write: (piece) => (text += piece) }, false);
  report.begin('a', 'Everything on v1');
  report.measured(checkAll('sessions on v1', 300, 300));
  report.begin('c', '10 % to v2');
  report.measured(checkShare('new sessions on v2', 300, 2000, 0.1), checkNone('failed requests', 0, 2000));
  t.equal(report.finish(1), false);
  t.match(text, /new sessions on v2 .* FAILED\n/);
  t.match(
    text,
    /\n1 of 3 numbers are not what was promised:\n {4}\(c\) new sessions on v2: 15.0 % \(300 of 2,000\); promised: 10.0 % ± 2.7 points\n$/,
  );
});

t.test('a report with every promise kept is a success', async (t) => {
  let text = '';
  const report = new Report({ write: (piece) => (text += piece) }, false);
  report.begin('a', 'Everything on v1');
  report.measured(checkAll('sessions on v1', 300, 300));
  t.equal(report.finish(12.3), true);
  t.match(text, /sessions on v1 +300 of 300 +all +ok\n/);
  t.match(text, /All 1 numbers are what was promised. 12 s\n$/);
});

t.test(
  'progress: written over on a terminal, now and then elsewhere, and nothing after the end',
  async (t) => {
    const pieces: string[] = [];
    const terminal = new Report({ isTTY: true, write: (piece) => pieces.push(piece) }, false);
    terminal.progress('1 of 2');
    terminal.line('done');
    t.same(pieces, ['\r\x1b[K    1 of 2 …', '\r\x1b[K', 'done\n']);
    const lines: string[] = [];
    const file = new Report({ write: (piece) => lines.push(piece) }, false);
    file.progress('too soon after the last line');
    file.end('ended by SIGINT');
    file.line('what a step under way still says');
    t.same(lines, ['ended by SIGINT\n']);
  },
);
