import { writeFile } from 'node:fs/promises';
import {
  checkAll,
  checkBrowsers,
  checkNoFailures,
  checkNone,
  checkNoneMoved,
  checkPodLoss,
  checkShare,
} from './checks.js';
import type { Stage } from './stage.js';
import { type Placements, type Round, sessionsAt, sessionsNamed } from './traffic.js';

/** Sessions whose share is measured. */
const MANY = 2000;
/** New sessions at each further weight. */
const NEWCOMERS = 1000;
/** Sessions of which all have to do the same. */
const SOME = 200;
const BROWSERS = 30;
/** Of each pod, for the loss of one. */
const PER_POD = 75;
const ALL_SESSIONS = Number.POSITIVE_INFINITY;

const LABEL = { 'x-region': 'us-east' };
const SERVICE = 'checkout.shop';
const WITHOUT_AFFINITY = 'examples/shop/checkout-without-affinity.yaml';
const LOST_POD = 'checkout-v2-1';

/** A step of the story; each starts where the last one ended. */
export interface Step {
  readonly letter: string;
  readonly title: string;
  play(stage: Stage): Promise<void>;
}

/** A canary from its first request to its end. Every number is checked against what SEMANTICS promises. */
export const STORY: readonly Step[] = [
  { letter: 'a', title: 'Everything on v1', play: allOnStable },
  { letter: 'b', title: 'Requests with "x-region: us-east" go to v2', play: canaryByLabel },
  { letter: 'c', title: '10 % to v2, by weight', play: canaryByWeight },
  { letter: 'd', title: 'After a labelled request: without affinity, and with it', play: labelLeftOut },
  { letter: 'e', title: '10 → 25 → 50 %: no session on v2 leaves it', play: growCanary },
  { letter: 'f', title: `A pod of v2 dies: only its sessions move, once`, play: losePod },
  { letter: 'g', title: 'Abort: all sessions back on v1; with --labels, labelled requests too', play: abort },
];

async function allOnStable(stage: Stage): Promise<void> {
  const round = await stage.visit('new sessions', sessionsNamed('a', SOME));
  stage.report.measured(
    checkAll('sessions on v1', onRelease(round.places, 'v1'), SOME),
    checkNoFailures(round),
  );
  stage.remember(round.places);
}

async function canaryByLabel(stage: Stage): Promise<void> {
  const labelled = await stage.visit('labelled', sessionsNamed('b', SOME), { headers: LABEL });
  const others = await stage.visit('not labelled', stage.some({}, SOME));
  stage.report.measured(
    checkAll('labelled sessions on v2', onRelease(labelled.places, 'v2'), SOME),
    ...checkNoneMoved('others', stage.known, others.places),
    checkNoFailures(labelled, others),
  );
}

async function canaryByWeight(stage: Stage): Promise<void> {
  const during = await stage.change(['split', SERVICE, 'v1=90', 'v2=10'], stage.some({}, SOME));
  const old = await stage.visit('the sessions of (a)', stage.some({}, ALL_SESSIONS));
  const fresh = await stage.visit('new sessions', sessionsNamed('c', MANY));
  const canary = sessionsAt(fresh.places, { release: 'v2' });
  const stable = sessionsAt(fresh.places, { release: 'v1' }).slice(0, SOME);
  const again = await stage.visit('all of v2 and some of v1 again', [...canary, ...stable]);
  stage.report.measured(
    checkShare('new sessions on v2', canary.length, MANY, 0.1),
    ...checkNoneMoved('new sessions', fresh.places, again.places),
    ...checkNoneMoved('sessions of (a)', stage.known, during.places, old.places),
    checkNone('moves while the split changed', during.moves, during.requests),
    checkNoFailures(during, old, fresh, again),
  );
  stage.remember(fresh.places);
}

async function labelLeftOut(stage: Stage): Promise<void> {
  const saved = stage.shop.file('checkout.yaml');
  await writeFile(saved, await stage.roost(['get', SERVICE, '-o', 'yaml'], saved));
  await stage.roost(['apply', '-f', WITHOUT_AFFINITY]);
  await withoutAffinity(stage);
  await stage.roost(['apply', '-f', saved]);
  await withAffinity(stage);
}

async function withoutAffinity(stage: Stage): Promise<void> {
  const sessions = sessionsNamed('d-without', SOME);
  const labelled = await stage.visit('labelled', sessions, { headers: LABEL });
  const next = await stage.visit('the same sessions, label left out', sessions);
  stage.report.measured(
    checkAll('labelled sessions on v2', onRelease(labelled.places, 'v2'), SOME),
    // A random pick, the only one here: a bound that holds for a demo that is run every day.
    checkShare('without affinity: back on v1 next time', onRelease(next.places, 'v1'), SOME, 0.9, 6),
    checkNoFailures(labelled, next),
  );
}

async function withAffinity(stage: Stage): Promise<void> {
  const sessions = sessionsNamed('d', SOME);
  const labelled = await stage.visit('labelled', sessions, { headers: LABEL });
  const next: Round[] = [];
  for (let i = 0; i < 3; i++) next.push(await stage.visit('the same sessions, label left out', sessions));
  const journeys = await stage.browse('browsers, only the first one labelled', BROWSERS, LABEL);
  stage.report.measured(
    checkAll('labelled sessions on v2', onRelease(labelled.places, 'v2'), SOME),
    ...checkNoneMoved('with affinity', labelled.places, ...next.map(({ places }) => places)),
    ...checkBrowsers(journeys, 'v2'),
    checkNoFailures(labelled, ...next),
  );
  stage.remember(labelled.places);
}

async function growCanary(stage: Stage): Promise<void> {
  for (const weight of [25, 50]) {
    const canary = stage.some({ release: 'v2' }, ALL_SESSIONS);
    const stable = stage.some({ release: 'v1' }, SOME);
    const split = ['split', SERVICE, `v1=${100 - weight}`, `v2=${weight}`];
    const during = await stage.change(split, canary.slice(0, SOME));
    const old = await stage.visit('sessions from before', [...canary, ...stable]);
    const fresh = await stage.visit('new sessions', sessionsNamed(`e${weight}`, NEWCOMERS));
    const left = canary.filter((session) => old.places.get(session)?.release !== 'v2').length;
    stage.report.measured(
      checkNone('sessions that were on v2 and left it', left, canary.length),
      ...checkNoneMoved('sessions from before', stage.known, during.places, old.places),
      checkNone('moves while the split changed', during.moves, during.requests),
      checkShare('new sessions on v2', onRelease(fresh.places, 'v2'), NEWCOMERS, weight / 100),
      checkNoFailures(during, old, fresh),
    );
    stage.remember(fresh.places);
  }
}

async function losePod(stage: Stage): Promise<void> {
  const { shop, report } = stage;
  const lost = shop.pod(LOST_POD);
  const sessions = shop.pods.flatMap(({ name }) => stage.some({ pod: name }, PER_POD));
  const before = new Map([...stage.known].filter(([session]) => sessions.includes(session)));
  const { app, sidecar } = lost.pids;
  let killed: Promise<void> | undefined;
  const kill = (answered: number) => {
    if (answered === Math.floor(sessions.length / 3)) killed = lost.kill();
  };
  const rounds = [await stage.visit(`${LOST_POD} killed during the round`, sessions, { onAnswered: kill })];
  report.command(`kill -9 ${sidecar} ${app}`, `${LOST_POD}: its sidecar and its app`);
  await killed;
  for (let i = 0; i < 2; i++) rounds.push(await stage.visit('the same sessions again', sessions));
  report.measured(
    ...checkPodLoss(
      LOST_POD,
      before,
      rounds.map(({ places }) => places),
    ),
    checkNoFailures(...rounds),
  );
  report.progress(`${LOST_POD} is started again`);
  await shop.revive(lost);
  report.say(`${LOST_POD} is back, at its old address`);
  const after = await stage.visit('the same sessions again', sessions);
  const last = rounds.at(-1) as Round;
  report.measured(...checkNoneMoved('after its return', last.places, after.places), checkNoFailures(after));
  stage.remember(after.places);
}

async function abort(stage: Stage): Promise<void> {
  const canary = stage.some({ release: 'v2' }, ALL_SESSIONS);
  const stable = stage.some({ release: 'v1' }, SOME);
  const during = await stage.change(['abort', SERVICE], canary.slice(0, SOME));
  const sessions = [...canary, ...stable];
  const round = await stage.visit('all sessions', sessions);
  const again = await stage.visit('the sessions that were on v2, again', canary.slice(0, SOME));
  stage.report.measured(
    checkAll('sessions on v1', onRelease(round.places, 'v1'), sessions.length),
    ...checkNoneMoved('after that', round.places, again.places),
    checkNoFailures(during, round, again),
  );
  await abortLabels(stage);
}

/** The route for labelled requests is not part of the split: an abort says so, and ends it when told to. */
async function abortLabels(stage: Stage): Promise<void> {
  const labelled = sessionsNamed('g', SOME);
  const before = await stage.visit('labelled', labelled, { headers: LABEL });
  const during = await stage.change(['abort', SERVICE, '--labels'], stage.some({ release: 'v1' }, SOME));
  const after = await stage.visit('labelled', labelled, { headers: LABEL });
  await stage.roost(['undo', SERVICE]);
  stage.report.measured(
    checkAll('labelled sessions on v2 after an abort', onRelease(before.places, 'v2'), SOME),
    checkAll('labelled sessions on v1 after an abort with labels', onRelease(after.places, 'v1'), SOME),
    checkNoFailures(before, during, after),
  );
}

function onRelease(places: Placements, release: string): number {
  return sessionsAt(places, { release }).length;
}
