import t from 'tap';
import {
  EndpointViews,
  MOST_VIEWS_OF_ONE,
  type ToldCounts,
} from '../../../../control-plane/sessions/endpoint-views.js';
import { VIEW_LIFE_MS, VIEW_RENEWAL_MS } from '../../../../src/sessions/endpoint-view.js';

const NONE = { unknown: 0, good: 0, unreachable: 0, appRefuses: 0, ejected: 0, failingChecks: 0 };
const told = (endpoint: number, counts: Partial<ToldCounts>): ToldCounts => ({
  ...NONE,
  endpoint,
  recovered: false,
  ...counts,
});

/** Views, and a clock that does not tell them again by itself. */
function start() {
  const views = new EndpointViews();
  let nowMs = 1_000_000;
  views.changes(nowMs);
  return {
    views,
    say: (who: string, view: Parameters<EndpointViews['take']>[2], endpoint = 7) =>
      views.take(who, endpoint, view, nowMs),
    all: () => views.changes(nowMs).all,
    pass: (ms: number) => {
      nowMs += ms;
    },
    nowMs: () => nowMs,
  };
}

t.test('counts one voice for each sidecar, and tells of changes once', async (t) => {
  const { say, all } = start();
  say('a', 'UNREACHABLE');
  say('a', 'UNREACHABLE');
  say('b', 'GOOD');
  say('c', 'UNKNOWN');
  t.strictSame(all(), [told(7, { unreachable: 1, good: 1, unknown: 1 })]);
  t.strictSame(all(), []);
  say('b', 'EJECTED');
  t.strictSame(all(), [told(7, { unreachable: 1, ejected: 1, unknown: 1 })]);
});

t.test('good words of an endpoint that nobody complains of are not kept', async (t) => {
  const { say, all } = start();
  say('a', 'GOOD');
  t.strictSame(all(), []);
});

t.test('tells when a sidecar can use it again, and forgets it when all can', async (t) => {
  const { say, all } = start();
  say('a', 'UNREACHABLE');
  say('b', 'FAILING_CHECKS');
  all();
  say('a', 'GOOD');
  t.strictSame(all(), [told(7, { good: 1, failingChecks: 1, recovered: true })]);
  say('b', 'GOOD');
  t.strictSame(all(), [told(7, { good: 2, recovered: true })]);
  say('a', 'GOOD');
  t.strictSame(all(), []);
});

t.test('forgets what a sidecar has said when it leaves, and when it says so no longer', async (t) => {
  const { views, say, all, pass } = start();
  say('a', 'UNREACHABLE');
  say('b', 'UNREACHABLE');
  all();
  views.leave('a');
  t.strictSame(all(), [told(7, { unreachable: 1 })]);
  pass(VIEW_LIFE_MS);
  t.strictSame(all(), [told(7, {})]);
});

t.test('tells all again now and then, for those that have missed something', async (t) => {
  const { say, all, pass } = start();
  say('a', 'UNREACHABLE');
  all();
  pass(VIEW_RENEWAL_MS);
  t.strictSame(all(), [told(7, { unreachable: 1 })]);
});

t.test('a sidecar that complains of everything has room for so much, and only its own', async (t) => {
  const { say, all } = start();
  say('honest', 'UNREACHABLE', -1);
  for (let endpoint = 0; endpoint < 3 * MOST_VIEWS_OF_ONE; endpoint++) say('liar', 'UNREACHABLE', endpoint);
  const complaints = all().filter(({ unreachable }) => unreachable > 0);
  t.equal(complaints.length, MOST_VIEWS_OF_ONE + 1);
  t.ok(complaints.some(({ endpoint }) => endpoint === -1));
});

t.test('adds what other control planes have counted, and tells those only of its own', async (t) => {
  const { views, say, nowMs } = start();
  views.expect('other');
  t.equal(views.sidecars(2), 3, 'at least one that has not said anything');
  say('a', 'UNREACHABLE');
  views.takeCounts('other', 5, told(7, { good: 4 }), nowMs());
  t.equal(views.sidecars(2), 7);
  const { all, own } = views.changes(nowMs());
  t.strictSame(all, [told(7, { unreachable: 1, good: 4 })]);
  t.strictSame(own, [told(7, { unreachable: 1 })]);
  views.takeCounts('other', 5, told(7, { good: 4 }), nowMs());
  t.strictSame(views.changes(nowMs()).all, [], 'nothing new: two control planes do not echo each other');
  views.leave('other');
  t.equal(views.sidecars(2), 2);
  t.strictSame(views.changes(nowMs()).all, [told(7, { unreachable: 1 })]);
});
