import t from 'tap';
import { decisionTable } from '../../../../control-plane/plan/decision-table.js';
import { describeExplanation } from '../../../../src/cli/commands/explain.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { explainDecision } from '../../../../src/routing/explain.js';
import { formatSessionCookie } from '../../../../src/routing/pins.js';
import { plainRequest } from '../../../../src/routing/request-view.js';
import { checkout, labelled, user } from '../../../support/shop.js';

const context = { pinSecret: Buffer.from('secret'), incarnation: () => '' };
const decision = { nowMs: 0, random: () => 0.5, findPin: () => undefined };

function explain(resource: object, request: Parameters<typeof plainRequest>[0]) {
  return explainDecision(decisionTable(parseMeshService(resource), context), plainRequest(request), decision);
}

t.test('names route, key source, hash, slot, release, endpoint, and why', async (t) => {
  const shop = checkout({
    affinity: { version: 'persistent', endpoint: 'balanced' },
    routes: [labelled('v2')],
  });
  const explained = explain(shop, { headers: user(7) });
  t.match(explained, {
    service: 'checkout.shop',
    outcome: 'forward',
    route: { name: 'default', why: 'it takes every request', passedOver: ['qa'] },
    session: { source: 'header x-user-id', hash: /^[0-9a-f]{16}$/, minted: false },
    slot: { of: 10_000 },
    release: { why: "the session's slot belongs to it" },
    endpoint: { why: "by the session's hash (ring-hash)" },
    newPin: /^v[12], endpoint 10\.0\./,
  });
  t.match(explain(shop, { headers: [...user(7), ['x-region', 'us-east']] }), {
    route: { name: 'qa' },
    release: { name: 'v2', why: 'the route lists no other' },
  });
  const lines = describeExplanation(explained).split('\n');
  t.same(
    lines.map((line) => line.slice(0, 9).trim()),
    ['service', 'route', 'session', 'slot', 'release', 'endpoint', 'new pin'],
  );
});

t.test('reads the pin that a cookie carries, and says when what it names is gone', async (t) => {
  const shop = checkout({
    affinity: { key: [{ cookie: 'sid' }], version: 'persistent', endpoint: 'persistent' },
  });
  const host = decisionTable(parseMeshService(shop), context);
  const affinity = host.routes[0]?.affinity;
  const v2 = host.service.releases.find(({ name }) => name === 'v2');
  const pin = affinity?.digests.pin({ release: v2?.digest ?? 0, label: false }, '10.0.2.2:80');
  const cookie = `sid=${formatSessionCookie({ key: 'A'.repeat(22), pin })}`;
  t.match(explain(shop, { headers: [['cookie', cookie]] }), {
    session: { source: 'cookie sid', minted: false },
    pin: { kind: 'session', release: 'v2', endpoint: '10.0.2.2:80 (now of v2)' },
    release: { name: 'v2', why: 'the session is pinned there' },
    endpoint: { address: '10.0.2.2:80', why: 'the session is pinned there' },
  });
  const gone = `sid=${formatSessionCookie({ key: 'A'.repeat(22), pin: { release: 5, endpoint: 6, label: true } })}`;
  t.match(explain(shop, { headers: [['cookie', gone]] }), {
    pin: { kind: 'label', release: 'one that is gone', endpoint: 'one that is gone' },
    newPin: /^v/,
  });
  t.match(explain(shop, {}), { session: { minted: true } });
  const appCookie = [{ cookie: { name: 'JSESSIONID', mint: false } }];
  const apps = checkout({ affinity: { key: appCookie, version: 'persistent', endpoint: 'persistent' } });
  const begun = explain(apps, { headers: [['cookie', 'JSESSIONID=any']] });
  t.match(begun, { session: { source: 'cookie JSESSIONID', minted: false }, newPin: /\d$/ });
  const none = explain(apps, {});
  t.equal(none.session, undefined);
  t.match(none.newPin, /, if the response sets the cookie JSESSIONID$/);
});

t.test('says that no route matches', async (t) => {
  const shop = checkout();
  const only = { ...shop, spec: { ...(shop.spec as object), routes: [labelled('v2')] } };
  const explained = explain(only, {});
  t.equal(explained.outcome, 'no-route');
  t.equal(describeExplanation(explained), 'checkout.shop: no route matches (404 no-route)');
});

t.test('says what the sidecar answers itself, and that no endpoint is asked', async (t) => {
  const shop = (route: object) =>
    checkout({ spec: { routes: [{ name: 'default', ...route }] }, pods: { v1: 1, v2: 1 } });
  const split = [{ version: 'v1', weight: 1 }];
  const redirected = explain(shop({ redirect: { host: 'new.example', status: 308 } }), { path: '/a?b' });
  t.match(redirected, {
    outcome: 'redirect',
    redirect: { status: 308, location: 'http://new.example/a?b' },
  });
  t.equal(redirected.endpoint, undefined);
  t.match(describeExplanation(redirected), /answer +308 http:\/\/new\.example\/a\?b +the route redirects/);
  const aborted = explain(shop({ split, fault: { abort: { status: 500 } } }), {});
  t.match(aborted, { outcome: 'abort', abort: { status: 500 }, actions: ['answered with status 500'] });
  t.match(describeExplanation(aborted), /answer +500 fault-injected +a fault befalls every request/);
});

t.test('says what else a route does to the request', async (t) => {
  const route = {
    name: 'default',
    split: [{ version: 'v1', weight: 1 }],
    headers: { request: { set: { 'x-a': '1' } }, response: { remove: ['server'] } },
    rewrite: { path: '/x', host: 'inside.example' },
    fault: { delay: { duration: '2s', percent: 5 }, abort: { status: 503, percent: 0.5 } },
    mirror: { version: 'v2', percent: 10 },
  };
  const explained = explain(checkout({ spec: { routes: [route] } }), {});
  t.equal(explained.outcome, 'forward');
  t.strictSame(explained.actions, [
    'delayed by 2000 ms (5 % of requests)',
    'answered with status 503 (0.5 % of requests)',
    'path rewritten',
    'host rewritten to inside.example',
    'request headers changed',
    'response headers changed',
    'copied to v2 (10 % of requests)',
  ]);
  t.match(describeExplanation(explained), /\naction +copied to v2 \(10 % of requests\)\n/);
});
