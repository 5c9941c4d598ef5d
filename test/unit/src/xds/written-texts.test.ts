import t from 'tap';
import { codec, packAny } from '../../../../src/xds/descriptors.js';
import { InvalidXdsError } from '../../../../src/xds/fields.js';
import { decodeListener, HTTP_CONNECTION_MANAGER_TYPE, ROUTER_TYPE } from '../../../../src/xds/listener.js';
import { FILTER_CONFIG_TYPE, SERVICE_POLICY_KEY, SERVICE_POLICY_TYPE } from '../../../../src/xds/policy.js';
import { messageNameOf, type ResourceKind } from '../../../../src/xds/resource-types.js';
import { decodeRouteConfiguration } from '../../../../src/xds/route.js';
import {
  COOKIE_STATE_TYPE,
  HEADER_STATE_TYPE,
  STATEFUL_SESSION_TYPE,
} from '../../../../src/xds/stateful-session-config.js';

/** Texts that a control plane sends and that a sidecar writes into messages: whoever sends them, they are checked. */

function problemsOf(decode: (bytes: Uint8Array) => unknown, kind: ResourceKind, resource: object): string {
  try {
    decode(codec(messageNameOf(kind)).encode(resource));
    return '';
  } catch (error) {
    if (error instanceof InvalidXdsError) return error.problems.join('\n');
    throw error;
  }
}

const ofRoute = (route: object, host: object = {}) =>
  problemsOf(decodeRouteConfiguration, 'route', {
    name: 'r',
    virtualHosts: [{ name: 'h', domains: ['*'], routes: [{ match: { prefix: '/' }, ...route }], ...host }],
  });
const ofAction = (action: object) => ofRoute({ route: { cluster: 'c', ...action } });
const ofState = (type: string, state: object) =>
  problemsOf(decodeListener, 'listener', {
    name: 'l',
    apiListener: {
      apiListener: packAny(HTTP_CONNECTION_MANAGER_TYPE, {
        rds: { routeConfigName: 'r', configSource: { ads: {} } },
        httpFilters: [
          {
            name: 's',
            typedConfig: packAny(STATEFUL_SESSION_TYPE, {
              sessionState: { typedConfig: packAny(type, state) },
            }),
          },
          { name: 'router', typedConfig: packAny(ROUTER_TYPE, {}) },
        ],
      }),
    },
  });
const ofPayload = (cookie: object) => {
  const config = packAny(SERVICE_POLICY_TYPE, { name: 's', affinity: { key: [{ cookie }] } });
  const typedPerFilterConfig = {
    [SERVICE_POLICY_KEY]: packAny(FILTER_CONFIG_TYPE, { isOptional: true, config }),
  };
  return ofRoute({ route: { cluster: 'c' } }, { typedPerFilterConfig });
};

const SPLITTING = ['x\r\nX-Evil: 1', 'x\ny', 'x\0y', 'x; Domain=evil.example'];
/** Of each text that ends up in a message: the resource with it in there. */
const PLACES: Readonly<Record<string, (text: string) => string>> = {
  'a hash policy’s cookie': (name) => ofAction({ hashPolicy: [{ cookie: { name } }] }),
  'its path': (path) => ofAction({ hashPolicy: [{ cookie: { name: 'c', path: `/${path}` } }] }),
  'its domain': (value) =>
    ofAction({ hashPolicy: [{ cookie: { name: 'c', attributes: [{ name: 'Domain', value }] } }] }),
  'our payload’s cookie': (name) => ofPayload({ name }),
  'its path there': (path) => ofPayload({ name: 'c', path: `/${path}` }),
  'its domain there': (domain) => ofPayload({ name: 'c', domain }),
  'a stateful session’s cookie': (name) => ofState(COOKIE_STATE_TYPE, { cookie: { name } }),
  'the path of that': (path) => ofState(COOKIE_STATE_TYPE, { cookie: { name: 'c', path: `/${path}` } }),
  'a stateful session’s header': (name) => ofState(HEADER_STATE_TYPE, { name }),
  'a header’s name': (key) =>
    ofRoute({ route: { cluster: 'c' }, responseHeadersToAdd: [{ header: { key, value: 'v' } }] }),
  'a new host': (hostRewriteLiteral) => ofAction({ hostRewriteLiteral }),
  'a new prefix': (prefix) => ofAction({ prefixRewrite: `/${prefix}` }),
  'a redirect’s host': (hostRedirect) => ofRoute({ redirect: { hostRedirect } }),
  'a redirect’s path': (path) => ofRoute({ redirect: { pathRedirect: `/${path}` } }),
};

for (const [place, problemsWith] of Object.entries(PLACES))
  t.test(`${place} splits no message`, async (t) => {
    t.equal(problemsWith('plain'), '');
    for (const text of SPLITTING) t.not(problemsWith(text), '', JSON.stringify(text));
  });

t.test('a header’s value splits no message', async (t) => {
  const withValue = (value: string) =>
    ofRoute({ route: { cluster: 'c' }, requestHeadersToAdd: [{ header: { key: 'x-a', value } }] });
  t.equal(withValue('a; b'), '');
  for (const value of SPLITTING.slice(0, 3)) t.match(withValue(value), /no header value/);
});
