import t from 'tap';
import { type NoEndpoint, type Placement, placeAgain } from '../../../../src/routing/decide.js';
import { formatSetCookie } from '../../../../src/routing/session-cookie.js';
import { MeshTable, pinFor } from '../../../support/mesh-table.js';
import { checkout, labelled, podsOf, user } from '../../../support/shop.js';

/** The cases of the semantics that are about single requests: retries, cookies, restarts, many changes. */

const balanced = { version: 'balanced', endpoint: 'balanced' };
const persistent = { version: 'persistent', endpoint: 'persistent' };
const COOKIE_KEY = [{ cookie: { name: 'sid', ttl: '1h' } }];
const sessions = (count: number) => Array.from({ length: count }, (_, i) => i);

function placed(result: Placement | NoEndpoint): Placement {
  if (result.endpoint === undefined) throw new Error(`no endpoint in ${result.release.name}`);
  return result;
}

const placeOf = ({ release, endpoint }: Placement) => `${release.name} ${endpoint.address}`;
const call = (table: MeshTable, n: number) => placed(table.send('checkout', { headers: user(n) }));

/** The cookie that an answer sets, as the client sends it back; undefined: none is due. */
function cookieSetFor({ route, session, pinTo, ...rest }: Placement): string | undefined {
  if (session?.cookie === undefined || route.affinity === undefined) throw new Error('no cookie session');
  const { config, key, minted, pin } = session.cookie;
  if (pinTo === undefined && !minted) return undefined;
  const kept = pinTo ? pinFor({ route, session, pinTo, ...rest }, route.affinity) : pin;
  return formatSetCookie(config, { key, pin: kept }, false).split(';')[0];
}

const callWith = (table: MeshTable, cookie: string) =>
  placed(table.send('checkout', { headers: [['cookie', cookie]] }));

t.test(
  '17, 27: every retry of a request stays in its release, and the session stays with its pod',
  async (t) => {
    const table = new MeshTable();
    table.apply(checkout({ affinity: persistent, split: { v1: 50, v2: 50 }, pods: { v1: 3, v2: 3 } }));
    for (const n of sessions(60)) {
      const first = call(table, n);
      const tried = [first.endpoint];
      for (
        let next = placeAgain(first, tried, Math.random);
        next;
        next = placeAgain(first, tried, Math.random)
      )
        tried.push(next);
      const pods = podsOf(first.release.name, 3).map(({ address }) => address);
      t.same(tried.map(({ address }) => address).sort(), pods, `session ${n}: each pod of its release once`);
      t.equal(placeOf(call(table, n)), placeOf(first), 'the next request goes to the old pod');
    }
  },
);

for (const affinity of [balanced, persistent]) {
  t.test(
    `20: a cookie is set once, and keeps release and endpoint (${affinity.version}, in every sidecar)`,
    async (t) => {
      const [table, other] = [new MeshTable(), new MeshTable()];
      const resource = checkout({ affinity: { ...affinity, key: COOKIE_KEY }, split: { v1: 70, v2: 30 } });
      for (const sidecar of [table, other]) sidecar.apply(resource);
      const first = sessions(1000).map(() => placed(table.send('checkout')));
      const cookies = first.map((answer) => cookieSetFor(answer) as string);
      t.equal(new Set(cookies).size, 1000);
      for (const sidecar of [table, other]) {
        const again = cookies.map((cookie) => callWith(sidecar, `theme=dark; ${cookie}`));
        t.same(again.map(placeOf), first.map(placeOf));
        t.ok(
          again.every((answer) => cookieSetFor(answer) === undefined),
          'no second Set-Cookie',
        );
      }
    },
  );
}

t.test(
  '21: a cookie that is garbage, forged, or of another service counts as absent or as no pin',
  async (t) => {
    const table = new MeshTable();
    const affinity = { ...persistent, key: COOKIE_KEY };
    table.apply(checkout({ affinity, split: { v1: 100, v2: 0 }, routes: [labelled('v2')] }));
    const valid = cookieSetFor(placed(table.send('checkout'))) as string;
    for (const value of ['', 'x', '%%%', 'A'.repeat(8192), `${valid.slice(4)}x`, valid.slice(4, -1)]) {
      const replaced = cookieSetFor(callWith(table, `sid=${value}`));
      t.match(replaced, /^sid=[\w-]{22}\.[\w-]{16}$/, `replaced: ${value.slice(0, 20)}`);
      t.not(replaced, `sid=${value}`);
    }
    // A pin that another service (or a mesh with another secret) made: the key is kept, the pin leads nowhere.
    const foreign = new MeshTable(Buffer.from('the secret of some other mesh...'));
    foreign.apply(checkout({ affinity, split: { v1: 0, v2: 100 } }));
    const forged = cookieSetFor(placed(foreign.send('checkout'))) as string;
    const answer = callWith(table, forged);
    t.equal(answer.release.name, 'v1', 'a forged pin opens no drained release');
    const renewed = cookieSetFor(answer);
    t.equal(renewed?.split('.')[0], forged.split('.')[0], 'the same key');
    t.not(renewed, forged, 'and a pin of its own');
  },
);

t.test('24: without our payload, the standard fields lead every key to the same place', async (t) => {
  for (const loadBalancer of ['ring-hash', 'maglev']) {
    const [full, standard] = [new MeshTable(), new MeshTable()];
    standard.standardFieldsOnly = true;
    for (const split of [
      { v1: 90, v2: 10 },
      { v1: 1, v2: 2 },
      { v1: 3, v2: 0 },
    ]) {
      const resource = checkout({
        affinity: balanced,
        split,
        pods: { v1: 3, v2: 5 },
        spec: { loadBalancer },
      });
      full.apply(resource);
      standard.apply(resource);
      for (const n of sessions(1000)) {
        const [ours, theirs] = [call(full, n), call(standard, n)];
        if (ours.endpoint.address !== theirs.endpoint.address)
          t.fail(`session ${n}: ${placeOf(ours)} and ${placeOf(theirs)}`);
      }
      t.equal(call(standard, 1).release.name, `shop/checkout/${call(full, 1).release.name}`);
    }
  }
});

t.test('25: a sidecar that starts anew sends balanced sessions where they were', async (t) => {
  const lives = sessions(3).map(() => {
    const table = new MeshTable();
    table.apply(checkout({ affinity: balanced, pods: { v1: 3, v2: 3 } }));
    return sessions(2000).map((n) => placeOf(call(table, n)));
  });
  t.same(lives[1], lives[0]);
  t.same(lives[2], lives[0]);
});

for (const affinity of [balanced, persistent]) {
  t.test(`28: 200 changes with the same weights in effect move nobody (${affinity.version})`, async (t) => {
    const table = new MeshTable();
    table.apply(checkout({ affinity, split: { v1: 50, v2: 50 } }));
    const before = sessions(200).map((n) => placeOf(call(table, n)));
    for (let change = 1; change <= 200; change++) {
      const scale = 1 + (change % 13);
      const extra = change % 5 === 0 ? [{ name: `v${change}`, endpoints: podsOf(`v${change}`, 1) }] : [];
      const versions = ['v1', 'v2'].map((name) => ({ name, endpoints: podsOf(name, 2) }));
      table.apply(
        checkout({
          affinity: { ...affinity, ttl: `${change + 60}s` },
          split: { v1: scale, v2: scale },
          routes: change % 3 === 0 ? [labelled('v2')] : [],
          spec: { versions: [...versions, ...extra] },
        }),
      );
      const after = sessions(200).map((n) => placeOf(call(table, n)));
      if (before.some((place, n) => after[n] !== place)) t.same(after, before, `change ${change}`);
    }
    t.equal(new Set(before).size, 4, 'over both releases and all their pods');
  });
}
