import { canary, importObjects, ingress } from './manifests.js';
import { type CaseRequest, type IngressCase, ONE_EACH, type Pods, releaseOf, type World } from './world.js';

/** Cases of the canary's rules: header, cookie, weight. */

export type Annotations = Readonly<Record<string, string>>;
type Release = 'p' | 'c';

/** Primary p and canary c on one rule. */
export function pair(rules: Annotations, primary: Annotations = {}): object[] {
  return [ingress('p', { annotations: primary }), canary('c', rules)];
}

interface Row {
  readonly id: string;
  readonly given: string;
  readonly rules: Annotations;
  readonly request?: CaseRequest;
  readonly to: Release;
  readonly times?: number;
  readonly pods?: Pods;
}

const NAMES = { p: 'primary', c: 'canary' } as const;

export function row({ id, given, rules, request = {}, to, times = 1, pods = ONE_EACH }: Row): IngressCase {
  return {
    id,
    given,
    there: NAMES[to],
    async run(world, t) {
      await world.apply(pair(rules), pods);
      for (let n = 0; n < times; n++) t.equal(releaseOf(await world.call(request)), to);
    },
  };
}

const header = (value: string, name = 'CanaryByHeader') => ({ headers: { [name]: value } });
const cookie = (value: string, name = 'CanaryByCookie') => ({ cookie: `${name}=${value}` });
const BY_HEADER = { 'canary-by-header': 'CanaryByHeader' };
const BY_VALUE = { ...BY_HEADER, 'canary-by-header-value': 'DoCanary' };
const BY_PATTERN = { ...BY_HEADER, 'canary-by-header-pattern': '^Do[A-Z][a-z]+y$' };
const BY_COOKIE = { 'canary-by-cookie': 'CanaryByCookie' };

/** A case in which the order of things must not matter. */
function inAnyOrder(
  id: string,
  given: string,
  steps: (world: World) => Promise<void>,
  name?: string,
): IngressCase {
  return {
    id,
    given: `${given}; never, then always`,
    there: 'primary, canary',
    async run(world, t) {
      await steps(world);
      t.equal(releaseOf(await world.call(header('never', name))), 'p');
      t.equal(releaseOf(await world.call(header('always', name))), 'c');
    },
  };
}

export const RULE_CASES: readonly IngressCase[] = [
  row({ id: '1', given: 'by-header; no header', rules: BY_HEADER, to: 'p' }),
  {
    id: '2',
    given: 'a canary without a primary; header always',
    there: '404',
    here: {
      answer: 'nothing is imported, exit code 2',
      why: 'a service needs a stable release; the report names the canary',
    },
    async run(_world, t) {
      const { services, report } = importObjects([canary('c', BY_HEADER)]);
      t.same(services, []);
      t.match(report.refused[0]?.message, /is a canary without a primary/);
    },
  },
  {
    id: '3',
    given: 'primary without pods; header always',
    there: '503',
    here: {
      answer: 'canary',
      why: 'a healthy release that a route names answers (S4.1); everything that the split decides is 503',
    },
    async run(world, t) {
      await world.apply(pair(BY_HEADER), { ...ONE_EACH, p: ['p-1', 'p-2'] });
      for (const pod of ['p-1', 'p-2']) await world.stop(pod);
      t.equal(releaseOf(await world.call(header('always'))), 'c');
      t.equal((await world.call(header('never'))).status, 503);
    },
  },
  {
    id: '4',
    given: 'canary without pods; header never',
    there: 'primary',
    async run(world, t) {
      await world.apply(pair(BY_HEADER), ONE_EACH);
      await world.stop('c-1');
      t.equal(releaseOf(await world.call(header('never'))), 'p');
    },
  },
  inAnyOrder('5', 'by-header, primary created first', async (world) => {
    await world.apply([ingress('p')], ONE_EACH);
    await world.apply(pair(BY_HEADER), ONE_EACH);
  }),
  inAnyOrder('6', 'by-header, canary created first', async (world) => {
    await world.apply([...pair(BY_HEADER)].reverse(), ONE_EACH);
  }),
  inAnyOrder('7', 'by-header, then the primary is edited', async (world) => {
    await world.apply(pair(BY_HEADER), ONE_EACH);
    await world.apply(pair(BY_HEADER, { 'proxy-read-timeout': '30' }), ONE_EACH);
  }),
  inAnyOrder(
    '8',
    'by-header, then the canary is edited to another header',
    async (world) => {
      await world.apply(pair(BY_HEADER), ONE_EACH);
      await world.apply(pair({ 'canary-by-header': 'CanaryByHeader2' }), ONE_EACH);
    },
    'CanaryByHeader2',
  ),
  row({ id: '9', given: 'by-header; always', rules: BY_HEADER, request: header('always'), to: 'c' }),
  row({ id: '10', given: 'by-header; never', rules: BY_HEADER, request: header('never'), to: 'p' }),
  row({
    id: '11',
    given: 'by-header; another value',
    rules: BY_HEADER,
    request: header('badheadervalue'),
    to: 'p',
  }),
  row({
    id: '12',
    given: 'by-header; always in another header',
    rules: BY_HEADER,
    request: header('always', 'Other'),
    to: 'p',
  }),
  row({
    id: '13',
    given: 'by-header-value; that value',
    rules: BY_VALUE,
    request: header('DoCanary'),
    to: 'c',
  }),
  row({ id: '14', given: 'by-header-value; always', rules: BY_VALUE, request: header('always'), to: 'p' }),
  row({ id: '15', given: 'by-header-value; never', rules: BY_VALUE, request: header('never'), to: 'p' }),
  row({
    id: '16',
    given: 'by-header-value; another value',
    rules: BY_VALUE,
    request: header('otherheadervalue'),
    to: 'p',
  }),
  row({
    id: '17',
    given: 'by-header-value; that value in another header',
    rules: BY_VALUE,
    request: header('DoCanary', 'Other'),
    to: 'p',
  }),
  row({
    id: '18',
    given: 'by-header-pattern; a value that fits',
    rules: BY_PATTERN,
    request: header('DoCanary'),
    to: 'c',
  }),
  row({
    id: '19',
    given: 'by-header-pattern; a value that does not',
    rules: BY_PATTERN,
    request: header('Docanary'),
    to: 'p',
  }),
  row({
    id: '20',
    given: 'value and pattern; a value that fits the pattern only',
    rules: { ...BY_VALUE, ...BY_PATTERN },
    request: header('DoCananry'),
    to: 'p',
  }),
  row({
    id: '21',
    given: 'a broken pattern, and by-cookie; any header, cookie always',
    rules: { ...BY_HEADER, 'canary-by-header-pattern': '[][**da?$&*', ...BY_COOKIE },
    request: { ...header('DoCanary'), ...cookie('always') },
    to: 'p',
  }),
  row({
    id: '22',
    given: 'by-header-value and by-cookie; another value, cookie always',
    rules: { ...BY_VALUE, ...BY_COOKIE },
    request: { ...header('otherheadervalue'), ...cookie('always') },
    to: 'c',
  }),
  row({
    id: '23',
    given: 'by-cookie; always, 50 times',
    rules: BY_COOKIE,
    request: cookie('always'),
    to: 'c',
    times: 50,
  }),
  row({
    id: '24',
    given: 'by-cookie; never, 50 times',
    rules: BY_COOKIE,
    request: cookie('never'),
    to: 'p',
    times: 50,
  }),
  row({
    id: '25',
    given: 'by-cookie; another value, 50 times',
    rules: BY_COOKIE,
    request: cookie('other'),
    to: 'p',
    times: 50,
  }),
  row({
    id: '26',
    given: 'by-cookie; always in another cookie',
    rules: BY_COOKIE,
    request: cookie('always', 'Other'),
    to: 'p',
  }),
];
