import type { Test } from 'tap';
import { ingress } from './manifests.js';
import { type Annotations, pair, row } from './rule-cases.js';
import { type IngressCase, ONE_EACH, releaseOf, type World } from './world.js';

/** Cases of the canary's weight. */

const SHARE_CALLS = 1000;

/** Half and half: with 1,000 calls, fewer than 400 on one side are six standard deviations away. */
export async function sharesEvenly(world: World, t: Test): Promise<void> {
  const answers = await Promise.all(Array.from({ length: SHARE_CALLS }, () => world.call()));
  const canaries = answers.filter((answer) => releaseOf(answer) === 'c').length;
  t.ok(Math.min(canaries, SHARE_CALLS - canaries) >= 0.4 * SHARE_CALLS, `${canaries} of ${SHARE_CALLS}`);
}

function evenly(id: string, given: string, rules: Annotations): IngressCase {
  return {
    id,
    given,
    there: 'each at least 40 %',
    async run(world, t) {
      await world.apply(pair(rules), ONE_EACH);
      await sharesEvenly(world, t);
    },
  };
}

export const WEIGHT_CASES: readonly IngressCase[] = [
  row({ id: '27', given: 'weight 0', rules: { 'canary-weight': '0' }, to: 'p', times: 20 }),
  row({ id: '28', given: 'weight 100', rules: { 'canary-weight': '100' }, to: 'c', times: 20 }),
  row({
    id: '29',
    given: 'weight 1000 of 1000',
    rules: { 'canary-weight': '1000', 'canary-weight-total': '1000' },
    to: 'c',
    times: 20,
  }),
  evenly('30', 'weight 50; many calls', { 'canary-weight': '50' }),
  evenly('31', 'weight 100 of 200; many calls', { 'canary-weight': '100', 'canary-weight-total': '200' }),
  row({ id: '32', given: 'a canary without any rule', rules: {}, to: 'p', times: 20 }),
  {
    id: '33',
    given: 'a weight of 100 and no canary Ingress',
    there: 'primary',
    async run(world, t) {
      await world.apply([ingress('p')], ONE_EACH);
      t.equal(releaseOf(await world.call()), 'p');
    },
  },
  row({
    id: '34',
    given: "weight 100, and the canary's Service does not exist",
    rules: { 'canary-weight': '100' },
    to: 'p',
    pods: { p: ['p-1'] },
  }),
  {
    id: '35',
    given: 'weight 50; one request and its retries, 20 times',
    there: 'one choice for each request',
    async run(world, t) {
      const retries = { 'proxy-next-upstream': 'http_503', 'proxy-next-upstream-tries': '3' };
      await world.apply(pair({ 'canary-weight': '50' }, retries), { p: ['p-1', 'p-2'], c: ['c-1', 'c-2'] });
      for (let n = 0; n < 20; n++) {
        const pods = await world.attempts();
        t.equal(pods.length, 3);
        t.equal(new Set(pods.map((pod) => pod[0])).size, 1, pods.join());
      }
    },
  },
];
