import t from 'tap';
import { compileActions } from '../../../../src/routing/actions.js';
import { compilePathRewrite } from '../../../../src/routing/path-rewrite.js';
import type { Release } from '../../../../src/routing/release.js';
import { plainRequest } from '../../../../src/routing/request-view.js';
import { InvalidXdsError, Problems } from '../../../../src/xds/fields.js';
import { readRouteConfiguration } from '../../../../src/xds/route.js';

/** A route as any xDS server may send it. */
function readRoute(route: object) {
  const problems = new Problems();
  const raw = {
    name: 'routes',
    virtualHosts: [{ name: 'host', domains: ['*'], routes: [{ match: { prefix: '/' }, ...route }] }],
  };
  const config = readRouteConfiguration(raw, '', problems);
  problems.throwIfAny('routes');
  return config.virtualHosts[0]?.routes[0] as NonNullable<(typeof config.virtualHosts)[0]>['routes'][0];
}

const TO_A = { cluster: 'a' };
const releaseOf = (name: string) => ({ name }) as Release;
const compiled = (route: object) => compileActions(readRoute(route), releaseOf, undefined);

function problemsOf(route: object): readonly string[] {
  try {
    readRoute(route);
  } catch (error) {
    if (error instanceof InvalidXdsError) return error.problems;
    throw error;
  }
  return [];
}

const option = (key: string, value: string, extra: object = {}) => ({ header: { key, value }, ...extra });
const SET = { appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' };

t.test('a route that does nothing else has no actions', async (t) => {
  t.equal(compiled({ route: TO_A }), undefined);
});

t.test('header changes are made in Envoy’s order', async (t) => {
  const actions = compiled({
    route: TO_A,
    requestHeadersToRemove: ['X-Gone'],
    requestHeadersToAdd: [
      option('x-a', '1'),
      option('X-B', 'first'),
      option('x-b', 'only', SET),
      option('x-b', 'and', { append: { value: true } }),
      option('x-c', '50%%', { append: { value: false } }),
    ],
  });
  t.strictSame([...(actions?.request?.fields?.dropped ?? [])].sort(), ['x-b', 'x-c', 'x-gone']);
  t.strictSame(actions?.request?.fields?.added, [
    ['x-a', '1'],
    ['x-b', 'only'],
    ['x-b', 'and'],
    ['x-c', '50%'],
  ]);
  t.equal(actions?.response, undefined);
});

t.test('changes that would break messages are refused, whoever sends them', async (t) => {
  for (const [options, expected] of [
    [option('host', 'a'), /"host" frames a message/],
    [option(':path', '/'), /":path" is not a header name/],
    [option('Content-Length', '0'), /"Content-Length" frames/],
    [option('x', 'a\r\nb'), /no header value may have/],
    [option('x', '%REQ(y)%'), /command operator/],
    [option('x', 'y', { appendAction: 'ADD_IF_ABSENT' }), /ADD_IF_ABSENT is not supported/],
    [option('x y', 'y'), /is not a header name/],
  ] as const)
    t.match(problemsOf({ route: TO_A, responseHeadersToAdd: [options] })[0], expected);
  t.match(problemsOf({ route: TO_A, requestHeadersToRemove: ['Transfer-Encoding'] })[0], /frames a message/);
});

t.test('a rewrite follows its pattern and its groups', async (t) => {
  const rewrite = (regex: string, substitution: string) => {
    const route = readRoute({ route: { ...TO_A, regexRewrite: { pattern: { regex }, substitution } } });
    return compilePathRewrite(route.rewrite?.path as NonNullable<typeof route.rewrite>['path'] & object);
  };
  for (const [regex, substitution, path, expected] of [
    ['^/service/([^/]+)(/.*)$', '\\2/instance/\\1', '/service/foo/v1/api', '/v1/api/instance/foo'],
    ['one', 'two', '/xxx/one/yyy/one/zzz', '/xxx/two/yyy/two/zzz'],
    ['^(.*?)one(.*)$', '\\1two\\2', '/xxx/one/yyy/one/zzz', '/xxx/two/yyy/one/zzz'],
    ['(?i)/xxx/', '/yyy/', '/aaa/XxX/bbb', '/aaa/yyy/bbb'],
    ['a', '\\\\1$0', '/a', '/\\1$0'],
    ['(a)', '\\10', '/a', '/a0'],
    ['(a)|(b)', '<\\2>', '/ab', '/<><b>'],
    ['^/a', '', '/ab', '/b'],
    ['.+', '', '/ab', '/'],
    ['nothing', 'x', '/ab', '/ab'],
  ] as const)
    t.equal(rewrite(regex, substitution)(path), expected, `${regex} → ${substitution}`);
});

t.test('a rewrite that cannot work is refused', async (t) => {
  for (const [regex, substitution, expected] of [
    ['(a', 'x', /is not an RE2 regular expression/],
    ['a', '\\1', /names a group that the pattern has not: it has 0/],
    ['a', ' ', /no path may have/],
    ['a', '?b', /no path may have/],
    ['a', '\r\n', /no path may have/],
  ] as const) {
    const regexRewrite = { pattern: { regex }, substitution };
    t.match(problemsOf({ route: { ...TO_A, regexRewrite } })[0], expected);
    t.match(problemsOf({ redirect: { regexRewrite } })[0], expected);
  }
  t.match(problemsOf({ route: { ...TO_A, prefixRewrite: '/x y' } })[0], /prefix_rewrite: has a character/);
  t.match(problemsOf({ route: { ...TO_A, hostRewriteLiteral: 'a\r\nb' } })[0], /is not a host/);
  t.match(problemsOf({ redirect: { hostRedirect: 'a/b' } })[0], /is not a host/);
  t.match(problemsOf({ redirect: { schemeRedirect: 'ftp' } })[0], /"ftp" is not supported/);
  t.match(problemsOf({ redirect: { pathRedirect: '/a?b' } })[0], /is not a path/);
});

t.test('a redirect says where to, with as much of the request as it leaves', async (t) => {
  const request = plainRequest({ path: '/a/b?c=d' });
  for (const [redirect, authority, expected] of [
    [{ pathRedirect: '/x' }, 'h:8080', 'http://h:8080/x?c=d'],
    [{ hostRedirect: 'x' }, 'h:8080', 'http://x/a/b?c=d'],
    [{ portRedirect: 81 }, 'h:8080', 'http://h:81/a/b?c=d'],
    [{ portRedirect: 80 }, 'h:8080', 'http://h/a/b?c=d'],
    [{ httpsRedirect: true }, 'h:8080', 'https://h/a/b?c=d'],
    [{ schemeRedirect: 'https', portRedirect: 443 }, '[fd00::1]:80', 'https://[fd00::1]/a/b?c=d'],
    [{ schemeRedirect: 'https', portRedirect: 8443 }, 'h', 'https://h:8443/a/b?c=d'],
    [{ pathRedirect: '/x', stripQuery: true }, 'h', 'http://h/x'],
    [{ regexRewrite: { pattern: { regex: '^/a' }, substitution: '/z' } }, 'h', 'http://h/z/b?c=d'],
    [{ pathRedirect: '/x' }, '', '/x?c=d'],
  ] as const) {
    const answer = compiled({ redirect })?.redirect?.(request, authority);
    t.match(answer, { status: 301, location: expected }, JSON.stringify(redirect));
  }
});

t.test('a line that would be more than one is left out, whatever came past the border', async (t) => {
  const config = readRoute({ route: TO_A });
  const change = (name: string, value: string) => ({ name, value, kind: 'add' as const });
  const changes = [change('x-a', '1\r\nx-evil: 1'), change('x-b\r\n', '1'), change('x-c', '1')];
  const headers = { request: [{ changes, removed: [] }], response: [] };
  const actions = compileActions({ ...config, headers }, releaseOf, undefined);
  t.strictSame(actions?.request?.fields?.added, [['x-c', '1']]);
});
