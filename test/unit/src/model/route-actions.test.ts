import t from 'tap';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { formatProblem, InvalidResourceError } from '../../../../src/model/problems.js';

const SPLIT = [{ version: 'v1', weight: 1 }];

function parseRoute(route: object) {
  return parseMeshService({
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: 'checkout', namespace: 'shop' },
    spec: {
      port: 8080,
      versions: [{ name: 'v1', endpoints: [{ address: '10.0.0.1:80' }] }],
      routes: [{ name: 'r', ...route }],
    },
  }).spec.routes[0];
}

/** Without the path of the route. */
function problemsOf(route: object): string[] {
  try {
    parseRoute(route);
  } catch (error) {
    if (error instanceof InvalidResourceError)
      return error.problems.map((problem) => formatProblem(problem).replace('spec.routes[0].', ''));
    throw error;
  }
  return [];
}

t.test('actions are read, with their defaults', async (t) => {
  t.match(
    parseRoute({
      split: SPLIT,
      headers: { request: { set: { 'X-A': 'b c' }, remove: ['X-B'] } },
      mirror: { version: 'v1' },
      fault: { delay: { duration: '2s' }, abort: { status: 503, percent: 0.5 } },
      rewrite: { prefix: '/' },
      retries: { attempts: 1, methods: ['POST'] },
    }),
    {
      headers: { request: { set: { 'x-a': 'b c' }, remove: ['x-b'] } },
      mirror: { version: 'v1', percent: 100 },
      fault: { delay: { duration: 2000, percent: 100 }, abort: { status: 503, percent: 0.5 } },
    },
  );
  t.match(parseRoute({ redirect: { path: '/there' } }), { redirect: { path: '/there', status: 302 } });
});

t.test('no route changes what frames a message or belongs to one hop', async (t) => {
  for (const name of [
    'Connection',
    'content-length',
    'Transfer-Encoding',
    'keep-alive',
    'te',
    'trailer',
    'upgrade',
    'proxy-connection',
    'proxy-authorization',
    'http2-settings',
    'expect',
    'x-roost-error',
  ]) {
    for (const change of [{ set: { [name]: '1' } }, { add: { [name]: '1' } }, { remove: [name] }]) {
      for (const which of ['request', 'response']) {
        const [problem, ...others] = problemsOf({ split: SPLIT, headers: { [which]: change } });
        t.match(problem, /frames a message or belongs to one hop/, `${which} ${JSON.stringify(change)}`);
        t.same(others, []);
      }
    }
  }
  t.match(problemsOf({ split: SPLIT, headers: { request: { set: { Host: 'a' } } } }), [
    /use "rewrite\.host"/,
  ]);
});

t.test('names and values that no header may have are refused', async (t) => {
  for (const name of ['', 'a b', 'x:y', ':path', 'ä', 'a\r\nb'])
    t.match(problemsOf({ split: SPLIT, headers: { request: { remove: [name] } } }), [/is not a header name/]);
  for (const value of ['a\r\nX-B: c', 'a\nb', '\0', ' a', 'a ', '\ta', 'ü', '\x7f', '\x1b'])
    t.match(
      problemsOf({ split: SPLIT, headers: { response: { set: { 'x-a': value } } } }),
      [/headers\.response\.set.*has a character that no header value may have/],
      JSON.stringify(value),
    );
  for (const value of ['', 'a', 'a b\tc', '100%', '"{}"'])
    t.same(problemsOf({ split: SPLIT, headers: { response: { set: { 'x-a': value } } } }), []);
});

t.test('new paths are paths', async (t) => {
  for (const path of ['', 'a', '/a b', '/a?b', '/a#b', '/ü', '/a\r\n', 'http://x/']) {
    for (const action of [{ split: SPLIT, rewrite: { path } }, { redirect: { prefix: path } }])
      t.match(problemsOf(action), [/must be a path that starts with "\/"/], JSON.stringify(action));
  }
  for (const path of ['/', '/a/b.c', '/a//', '/%20', '/"~!$&\'()*+,;=:@{}|\\^`<>'])
    t.same(problemsOf({ split: SPLIT, rewrite: { path } }), [], path);
});

t.test('an action that says nothing, or two things at once, is refused', async (t) => {
  t.match(problemsOf({ split: SPLIT, rewrite: {} }), [/^rewrite: .*needs one of path, prefix, host/]);
  t.match(problemsOf({ redirect: {} }), [/^redirect: .*needs one of scheme, host, port, path, prefix/]);
  t.match(problemsOf({ redirect: { status: 301 } }), [/^redirect: .*needs one of/]);
  t.match(problemsOf({ split: SPLIT, fault: {} }), [/^fault: .*needs one of delay, abort/]);
  t.match(problemsOf({ split: SPLIT, headers: {} }), [/^headers: .*needs one of request, response/]);
  t.match(problemsOf({ split: SPLIT, headers: { request: {} } }), [/needs one of set, add, remove/]);
  const both = { path: '/a', prefix: '/b' };
  t.match(problemsOf({ split: SPLIT, rewrite: both }), [/only one of them can be/]);
  t.match(problemsOf({ redirect: both }), [/only one of them can be/]);
  t.match(problemsOf({ redirect: { path: '/', status: 200 } }), [/must be 301, 302, 303, 307 or 308/]);
  t.match(problemsOf({ split: SPLIT, mirror: { version: 'v9' } }), [/"v9" is not a version of this service/]);
  t.match(problemsOf({ split: SPLIT, fault: { abort: { status: 99 } } }), [/status/]);
  t.match(problemsOf({ split: SPLIT, retries: { attempts: 1, methods: [] } }), [/at least one method/]);
});

t.test('what means nothing beside a redirect is refused', async (t) => {
  const redirect = { path: '/there' };
  for (const [field, value] of Object.entries({
    split: SPLIT,
    pin: false,
    timeout: '1s',
    idleTimeout: '1s',
    retries: { attempts: 1 },
    rewrite: { path: '/' },
    mirror: { version: 'v1' },
  }))
    t.same(problemsOf({ redirect, [field]: value }), [
      `${field}: means nothing beside "redirect": the request goes nowhere`,
    ]);
  t.match(problemsOf({ redirect, headers: { request: { remove: ['x-a'] } } }), [/^headers\.request: means/]);
  t.same(problemsOf({ redirect, headers: { response: { set: { 'x-a': '1' } } } }), []);
  t.same(problemsOf({ redirect, fault: { abort: { status: 503, percent: 10 } } }), []);
});

t.test('a new prefix needs an old one', async (t) => {
  const match = [{ path: { prefix: '/a' } }, { path: { regex: '/b.*' } }];
  t.match(problemsOf({ match, split: SPLIT, rewrite: { prefix: '/x' } }), [/matches a path by regex/]);
  t.match(problemsOf({ match, redirect: { prefix: '/x' } }), [/^redirect\.prefix: .*by regex/]);
  t.same(problemsOf({ match, split: SPLIT, rewrite: { path: '/x' } }), []);
  t.same(problemsOf({ match: [{ method: 'GET' }], split: SPLIT, rewrite: { prefix: '/x' } }), []);
});
