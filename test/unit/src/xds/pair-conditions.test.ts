import t from 'tap';
import { codec, packAny } from '../../../../src/xds/descriptors.js';
import { InvalidXdsError } from '../../../../src/xds/fields.js';
import { FILTER_CONFIG_TYPE, ROUTE_POLICY_KEY, ROUTE_POLICY_TYPE } from '../../../../src/xds/policy.js';
import { messageNameOf } from '../../../../src/xds/resource-types.js';
import { decodeRouteConfiguration } from '../../../../src/xds/route.js';

/** Conditions on one cookie or parameter: nearly in standard fields, exactly in our payload. */

const NEAREST = { name: 'cookie', stringMatch: { safeRegex: { regex: '.*c=.*' } } };
const OWN = { name: 'x-a', stringMatch: { exact: 'b' } };

function matchOf(match: object, pairs: readonly object[]) {
  const config = packAny(ROUTE_POLICY_TYPE, { pairs });
  const route = {
    match: { prefix: '/', ...match },
    route: { cluster: 'c' },
    typedPerFilterConfig: { [ROUTE_POLICY_KEY]: packAny(FILTER_CONFIG_TYPE, { isOptional: true, config }) },
  };
  const virtualHosts = [{ name: 'h', domains: ['*'], routes: [route] }];
  const bytes = codec(messageNameOf('route')).encode({ name: 'r', virtualHosts });
  return decodeRouteConfiguration(bytes).virtualHosts[0]?.routes[0]?.match;
}

const problemsOf = (match: object, pairs: readonly object[]) => {
  try {
    matchOf(match, pairs);
    return [];
  } catch (error) {
    if (error instanceof InvalidXdsError) return error.problems;
    throw error;
  }
};

t.test('take the place of the last header matchers and of the query parameters', async (t) => {
  const queryParameters = [{ name: 'q', presentMatch: true }];
  const pairs = [
    { cookie: 'c', regex: 'x+', invert: true },
    { query: 'filter%5Bä%5D', exact: '' },
  ];
  t.match(matchOf({ headers: [OWN, NEAREST, NEAREST], queryParameters }, pairs), {
    headers: { length: 1, 0: { name: 'x-a' } },
    query: {
      length: 1,
      0: { name: 'filter[\xc3\xa4]', match: { kind: 'exact', value: '' }, invert: false },
    },
    cookies: { length: 1, 0: { name: 'c', match: { kind: 'regex', pattern: 'x+' }, invert: true } },
  });
  t.match(matchOf({ headers: [OWN], queryParameters }, []), {
    headers: { length: 1 },
    query: { length: 1, 0: { name: 'q', match: { kind: 'present', present: true }, invert: false } },
    cookies: { length: 0 },
  });
});

t.test('are refused where they cannot be used', async (t) => {
  const of = (pair: object) => problemsOf({ headers: [NEAREST] }, [pair]);
  t.same(of({ cookie: 'c', present: true }), []);
  t.match(of({ present: true }), [/pairs\[0\]: needs the name/]);
  t.match(of({ cookie: 'c', regex: '(' }), [/pairs\[0\]\.regex: is not an RE2/]);
  t.match(problemsOf({}, [{ cookie: 'c' }]), [/has 0 header matchers, and our payload takes the place of 1/]);
});
