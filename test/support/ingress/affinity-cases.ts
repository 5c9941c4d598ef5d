import type { Test } from 'tap';
import { ingress } from './manifests.js';
import { pair } from './rule-cases.js';
import { sharesEvenly } from './weight-cases.js';
import { cookieOf, type IngressCase, ONE_EACH, type Pods, releaseOf, type World } from './world.js';

/** Cases of affinity: which release, which pod, which cookie. */

export const COOKIE = { affinity: 'cookie', 'session-cookie-name': 'SERVERID' };
export const PERSISTENT = { ...COOKIE, 'affinity-mode': 'persistent' };
export const BY_HEADER = { 'canary-by-header': 'ForceCanary' };
export const ALWAYS = { ForceCanary: 'always' };
export const NEVER = { ForceCanary: 'never' };
export const THREE: Pods = { p: ['p-1', 'p-2', 'p-3'] };

/** Forces the canary by header and returns the session's cookie. */
export async function onCanary(world: World, t: Test): Promise<string | undefined> {
  const forced = await world.call({ headers: ALWAYS });
  t.equal(releaseOf(forced), 'c');
  return cookieOf(forced);
}

export async function staysOnCanary(
  world: World,
  t: Test,
  cookie: string | undefined,
  times = 50,
): Promise<void> {
  for (let n = 0; n < times; n++) t.equal(releaseOf(await world.call({ cookie })), 'c');
}

function forcedOnce(id: string, behavior: Readonly<Record<string, string>>, name: string): IngressCase {
  return {
    id,
    given: `affinity, ${name}, weight 1; forced by header, then 50 times with the cookie only`,
    there: 'canary every time',
    async run(world, t) {
      await world.apply(pair({ ...BY_HEADER, 'canary-weight': '1', ...behavior }, COOKIE), ONE_EACH);
      await staysOnCanary(world, t, await onCanary(world, t));
    },
  };
}

const LEGACY = { ...BY_HEADER, 'canary-weight': '50', 'affinity-canary-behavior': 'legacy' };

export const RELEASE_CASES: readonly IngressCase[] = [
  {
    id: '36',
    given: 'affinity, by-header; a cookie that names the primary, header always',
    there: 'primary',
    async run(world, t) {
      await world.apply(pair(BY_HEADER, COOKIE), ONE_EACH);
      const cookie = cookieOf(await world.call());
      for (const headers of [{}, ALWAYS, NEVER])
        t.equal(releaseOf(await world.call({ headers, cookie })), 'p');
    },
  },
  {
    id: '37',
    given: 'affinity, by-header; a cookie that names the canary, header never',
    there: 'canary',
    async run(world, t) {
      await world.apply(pair(BY_HEADER, COOKIE), ONE_EACH);
      const cookie = await onCanary(world, t);
      for (const headers of [{}, ALWAYS, NEVER])
        t.equal(releaseOf(await world.call({ headers, cookie })), 'c');
    },
  },
  forcedOnce('38', {}, 'behaviour not set'),
  forcedOnce('39', { 'affinity-canary-behavior': 'sticky' }, 'sticky'),
  {
    id: '40',
    given: 'affinity, legacy, weight 50; forced by header',
    there: 'canary, no cookie',
    here: {
      answer: 'canary, with a cookie',
      why: 'affinity belongs to the service: the cookie keeps the pod; under legacy it keeps no release',
    },
    async run(world, t) {
      await world.apply(pair(LEGACY, COOKIE), ONE_EACH);
      const forced = await world.call({ headers: ALWAYS });
      t.equal(releaseOf(forced), 'c');
      t.match(forced.setCookie, /^SERVERID=/);
    },
  },
  {
    id: '41',
    given: 'affinity, legacy, weight 50; many calls without a cookie',
    there: 'each at least 40 %',
    async run(world, t) {
      await world.apply(pair(LEGACY, COOKIE), ONE_EACH);
      await sharesEvenly(world, t);
    },
  },
];

/** Cases of the pod that a session is on. */
export const POD_CASES: readonly IngressCase[] = [
  {
    id: '64',
    given: 'persistent, 5 pods, then one more ten times',
    there: 'the same pod',
    async run(world, t) {
      const objects = [ingress('p', { annotations: PERSISTENT })];
      const pods = Array.from({ length: 15 }, (_, i) => `p-${i + 1}`);
      await world.apply(objects, { p: pods.slice(0, 5) });
      const first = await world.call();
      for (let count = 6; count <= 15; count++) {
        await world.apply(objects, { p: pods.slice(0, count) });
        t.equal((await world.call({ cookie: cookieOf(first) })).pod, first.pod);
      }
    },
  },
  {
    id: '65',
    given: 'persistent; then no pod is left',
    there: '503',
    async run(world, t) {
      await world.apply([ingress('p', { annotations: PERSISTENT })], THREE);
      const cookie = cookieOf(await world.call());
      for (const pod of THREE.p ?? []) await world.stop(pod);
      t.equal((await world.call({ cookie })).status, 503);
    },
  },
  {
    id: '66',
    given: 'and then there are two new pods',
    there: '200 from a new pod',
    async run(world, t) {
      const objects = [ingress('p', { annotations: PERSISTENT })];
      await world.apply(objects, THREE);
      const cookie = cookieOf(await world.call());
      for (const pod of THREE.p ?? []) await world.stop(pod);
      await world.apply(objects, { p: ['p-8', 'p-9'] });
      const found = await world.call({ cookie });
      t.match(found.pod, /^p-[89]$/);
      t.match(found.setCookie, /^SERVERID=/);
      t.equal((await world.call({ cookie: cookieOf(found) })).pod, found.pod);
    },
  },
  {
    id: '67',
    given: "the session's pod fails; change-on-failure true, false",
    there: 'another pod and a new cookie; the same pod again',
    here: {
      answer: 'another pod of the release, both times',
      why: 'a failed call neither fails nor ends a session: the pin stays until the pod is gone or unhealthy (S5)',
    },
    async run(world, t) {
      for (const value of ['true', 'false']) {
        const annotations = { ...PERSISTENT, 'session-cookie-change-on-failure': value };
        const pods = [`p-${value.length}1`, `p-${value.length}2`];
        await world.apply([ingress('p', { annotations })], { p: pods });
        const first = await world.call();
        await world.stop(first.pod);
        t.equal(
          (await world.call({ cookie: cookieOf(first) })).pod,
          pods.find((pod) => pod !== first.pod),
        );
      }
    },
  },
  {
    id: '68',
    given: 'a cookie of ingress-nginx, with "|" or without',
    there: 'names a release and a pod; a pod',
    here: {
      answer: 'counts as absent and is replaced',
      why: "it names pods by their addresses, unsigned; Roost's pins reveal no address and cannot be forged (S6)",
    },
    async run(world, t) {
      await world.apply(pair({ 'canary-weight': '0' }, COOKIE), ONE_EACH);
      for (const value of [
        '1530223461.123.45.678|33f5b3a9ea8ee5b1b1ccbb6bf0b5dd10',
        '1530223461.123.45.678',
      ]) {
        const answer = await world.call({ cookie: `SERVERID=${value}` });
        t.equal(answer.status, 200);
        t.match(answer.setCookie, /^SERVERID=[\w-]{22}/);
      }
    },
  },
];
