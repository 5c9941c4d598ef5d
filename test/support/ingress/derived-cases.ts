import type { Test } from 'tap';
import { ALWAYS, BY_HEADER, COOKIE, NEVER, onCanary, PERSISTENT, staysOnCanary } from './affinity-cases.js';
import { canary, importObjects, ingress } from './manifests.js';
import { pair } from './rule-cases.js';
import { cookieOf, type IngressCase, ONE_EACH, releaseOf, type World } from './world.js';

const REPLACED = [ingress('p', { annotations: COOKIE })];

async function loseCanary(world: World, t: Test, primary: Readonly<Record<string, string>>): Promise<void> {
  await world.apply(pair({ ...BY_HEADER, 'canary-weight': '50' }, primary), ONE_EACH);
  const cookie = await onCanary(world, t);
  await world.apply([ingress('p', { annotations: primary })], ONE_EACH);
  const answer = await world.call({ cookie });
  t.equal(releaseOf(answer), 'p');
  t.match(answer.setCookie, /^SERVERID=/);
  await world.apply(pair({ ...BY_HEADER, 'canary-weight': '50' }, primary), ONE_EACH);
  t.equal(
    releaseOf(await world.call({ cookie: cookieOf(answer) })),
    'p',
    'and stays, when the canary is back',
  );
}

/** What ingress-nginx does though no test of its own says so. */
export const DERIVED_CASES: readonly IngressCase[] = [
  {
    id: 'D1',
    given: 'weight 0; a cookie that names the canary',
    there: 'canary',
    async run(world, t) {
      await world.apply(pair({ ...BY_HEADER, 'canary-weight': '10' }, COOKIE), ONE_EACH);
      const cookie = await onCanary(world, t);
      await world.apply(pair({ 'canary-weight': '0' }, COOKIE), ONE_EACH);
      await staysOnCanary(world, t, cookie);
    },
  },
  {
    id: 'D2',
    given: 'a cookie that names the primary, header always',
    there: 'primary',
    async run(world, t) {
      await world.apply(pair(BY_HEADER, PERSISTENT), ONE_EACH);
      const cookie = cookieOf(await world.call());
      t.equal(releaseOf(await world.call({ headers: ALWAYS, cookie })), 'p');
    },
  },
  {
    id: 'D3',
    given: 'a cookie that names the canary, header never',
    there: 'canary',
    async run(world, t) {
      await world.apply(pair(BY_HEADER, PERSISTENT), ONE_EACH);
      const cookie = await onCanary(world, t);
      t.equal(releaseOf(await world.call({ headers: NEVER, cookie })), 'c');
    },
  },
  {
    id: 'D4',
    given: 'canary deleted, balanced; a cookie that names it',
    there: 'primary, no new cookie',
    here: {
      answer: 'primary, a new cookie',
      why: 'an evicted session is placed again once and for good (S2, S6); in ingress-nginx it would go back to a canary of the same name',
    },
    run: (world, t) => loseCanary(world, t, COOKIE),
  },
  {
    id: 'D5',
    given: 'canary deleted, persistent; a cookie that names it',
    there: 'primary, a new cookie',
    run: (world, t) => loseCanary(world, t, PERSISTENT),
  },
  {
    id: 'D6',
    given: 'a new canary with another Service, balanced; a cookie of the one before',
    there: 'drawn by weight on every call, no cookie',
    here: { answer: 'placed once, with a new cookie', why: 'no flips: a session is drawn once (S4)' },
    async run(world, t) {
      await world.apply(pair(BY_HEADER, COOKIE), ONE_EACH);
      const before = await onCanary(world, t);
      const next = [...REPLACED, canary('d', { 'canary-weight': '50' })];
      await world.apply(next, { p: ['p-1'], d: ['d-1'] });
      const placed = await world.call({ cookie: before });
      t.match(placed.setCookie, /^SERVERID=/);
      for (let n = 0; n < 20; n++)
        t.match(await world.call({ cookie: cookieOf(placed) }), { pod: placed.pod, setCookie: undefined });
    },
  },
  {
    id: 'D7',
    given: 'primary without pods, canary healthy; a cookie that names the canary',
    there: '503',
    async run(world, t) {
      await world.apply(pair(BY_HEADER, COOKIE), ONE_EACH);
      const cookie = await onCanary(world, t);
      await world.stop('p-1');
      // Refusals tell that it is gone.
      for (let call = 0; call < 3; call++) t.equal((await world.call({ headers: NEVER })).status, 503);
      t.equal((await world.call({ cookie })).status, 503);
    },
  },
  {
    id: 'D8',
    given: 'a canary pod fails, then all of them; a cookie that names the canary',
    there: 'another canary pod or an error; an error',
    here: {
      answer: 'another canary pod; the primary',
      why: 'a release without usable pods fails over to stable, and its sessions come back when it does (S4.5)',
    },
    async run(world, t) {
      await world.apply(pair(BY_HEADER, PERSISTENT), { p: ['p-1'], c: ['c-1', 'c-2'] });
      const forced = await world.call({ headers: ALWAYS });
      const cookie = cookieOf(forced);
      await world.stop(forced.pod);
      t.equal((await world.call({ cookie })).pod, forced.pod === 'c-1' ? 'c-2' : 'c-1');
      for (const pod of ['c-1', 'c-2']) await world.stop(pod);
      t.equal((await world.call({ cookie })).pod, 'p-1');
    },
  },
  {
    id: 'D9',
    given: 'legacy; a cookie that names the primary, header always',
    there: 'primary',
    here: { answer: 'canary', why: 'under legacy no session is kept on a release, so the header decides' },
    async run(world, t) {
      await world.apply(pair({ ...BY_HEADER, 'affinity-canary-behavior': 'legacy' }, COOKIE), ONE_EACH);
      const cookie = cookieOf(await world.call());
      t.equal(releaseOf(await world.call({ headers: ALWAYS, cookie })), 'c');
    },
  },
  {
    id: 'D10',
    given: 'two canaries on one rule',
    there: 'only the oldest is used',
    async run(world, t) {
      const second = canary('d', { 'canary-weight': '100' });
      const objects = [...pair({ 'canary-weight': '100' }), second];
      await world.apply(objects, { ...ONE_EACH, d: ['d-1'] });
      for (let n = 0; n < 20; n++) t.equal(releaseOf(await world.call()), 'c');
      const [refused] = importObjects(objects).report.refused;
      t.match(refused?.message, /Ingress default\/d: Ingress default\/c is the canary of .* already/);
    },
  },
];
