import { packAny } from '../../../src/xds/descriptors.js';
import { FAULT_TYPE } from '../../../src/xds/fault.js';
import type { CallOptions } from '../calls.js';

/** Routes in Envoy's own fields, and requests that tell whether a proxy does what they say. */
export interface RouteCase {
  readonly what: string;
  readonly routes: readonly object[];
  /** Of the virtual host around them. */
  readonly host?: object;
  readonly requests: readonly CallOptions[];
  /** What comes of each request at least, so that two proxies cannot be wrong together. */
  readonly expected?: readonly object[];
}

const to = (cluster: string, more: object = {}) => ({
  ...(cluster === '' ? {} : { cluster }),
  timeout: { seconds: 10 },
  ...more,
});
const ONE = { match: { prefix: '/' }, route: to('one') };
/** What matches goes to `two`, everything else to `one`. */
const matching = (
  what: string,
  match: object,
  requests: readonly CallOptions[],
  ...backends: string[]
): RouteCase => ({
  what: `match: ${what}`,
  routes: [{ match: { prefix: '/', ...match }, route: to('two') }, ONE],
  requests,
  expected: backends.map((backend) => ({ upstream: { backend } })),
});
const byPath = (what: string, match: object, paths: readonly string[], ...backends: string[]): RouteCase => ({
  ...matching(
    what,
    { prefix: undefined, ...match },
    paths.map((path) => ({ path })),
    ...backends,
  ),
});
const header = (value: string) => ({ headers: { 'x-h': value } });
const byHeader = (
  what: string,
  matcher: object,
  values: readonly (string | undefined)[],
  ...backends: string[]
) =>
  matching(
    `header ${what}`,
    { headers: [{ name: 'x-h', ...matcher }] },
    values.map((value) => (value === undefined ? {} : header(value))),
    ...backends,
  );
const byQuery = (what: string, matcher: object, paths: readonly string[], ...backends: string[]) =>
  matching(
    `query ${what}`,
    { queryParameters: [{ name: 'q', ...matcher }] },
    paths.map((path) => ({ path })),
    ...backends,
  );

const MATCHES: readonly RouteCase[] = [
  byPath('prefix', { prefix: '/a' }, ['/a', '/a/b', '/ab?c', '/b', '/A'], 'two', 'two', 'two', 'one', 'one'),
  byPath('path', { path: '/a' }, ['/a', '/a?b=c', '/a/', '/ab'], 'two', 'two', 'one', 'one'),
  byPath(
    'path, whatever the case',
    { path: '/a', caseSensitive: { value: false } },
    ['/A', '/a', '/b'],
    'two',
    'two',
    'one',
  ),
  byPath(
    'prefix, whatever the case',
    { prefix: '/Ab', caseSensitive: { value: false } },
    ['/aBc', '/a'],
    'two',
    'one',
  ),
  byPath(
    'segments',
    { pathSeparatedPrefix: '/a/b' },
    ['/a/b', '/a/b/c', '/a/b?x', '/a/bc', '/a'],
    'two',
    'two',
    'two',
    'one',
    'one',
  ),
  byPath(
    'regex, whole',
    { safeRegex: { regex: '/a\\d+' } },
    ['/a12', '/a12?b', '/a12/', '/a'],
    'two',
    'two',
    'one',
    'one',
  ),
  matching(
    'method',
    { headers: [{ name: ':method', stringMatch: { exact: 'PUT' } }] },
    [{ method: 'PUT' }, { method: 'GET' }],
    'two',
    'one',
  ),
  matching(
    'path with its query',
    { headers: [{ name: ':path', stringMatch: { suffix: '?x=1' } }] },
    [{ path: '/y?x=1' }, { path: '/y' }],
    'two',
    'one',
  ),
  byHeader('exact', { stringMatch: { exact: 'a' } }, ['a', 'A', 'ab', undefined], 'two', 'one', 'one', 'one'),
  byHeader(
    'exact, whatever the case',
    { stringMatch: { exact: 'aB', ignoreCase: true } },
    ['Ab', 'a'],
    'two',
    'one',
  ),
  byHeader('prefix', { stringMatch: { prefix: 'a' } }, ['ab', 'b'], 'two', 'one'),
  byHeader('suffix', { stringMatch: { suffix: 'b' } }, ['ab', 'a'], 'two', 'one'),
  byHeader('contains', { stringMatch: { contains: 'b' } }, ['abc', 'ac'], 'two', 'one'),
  byHeader(
    'regex, whole',
    { stringMatch: { safeRegex: { regex: '[a-c]+' } } },
    ['abc', 'abcd'],
    'two',
    'one',
  ),
  byHeader('presence', { presentMatch: true }, ['', 'x', undefined], 'two', 'two', 'one'),
  byHeader('absence', { presentMatch: false }, ['x', undefined], 'one', 'two'),
  byHeader('presence, inverted', { presentMatch: true, invertMatch: true }, ['x', undefined], 'one', 'two'),
  byHeader(
    'inverted',
    { stringMatch: { exact: 'a' }, invertMatch: true },
    ['a', 'b', undefined],
    'one',
    'two',
    'one',
  ),
  byHeader(
    'inverted, missing as empty',
    { stringMatch: { exact: 'a' }, invertMatch: true, treatMissingHeaderAsEmpty: true },
    ['a', 'b', undefined],
    'one',
    'two',
    'two',
  ),
  byHeader(
    'range',
    { rangeMatch: { start: -2, end: 5 } },
    ['-2', '4', '5', '4x', '-3', undefined],
    'two',
    'two',
    'one',
    'one',
    'one',
    'one',
  ),
  matching(
    'header that is there twice',
    { headers: [{ name: 'x-h', stringMatch: { exact: 'a,b' } }] },
    [{ headers: { 'x-h': 'a,b' } }],
    'two',
  ),
  matching(
    'all of several headers',
    {
      headers: [
        { name: 'x-h', presentMatch: true },
        { name: 'x-i', presentMatch: true },
      ],
    },
    [header('1'), { headers: { 'x-h': '1', 'x-i': '2' } }],
    'one',
    'two',
  ),
  byQuery(
    'exact',
    { stringMatch: { exact: 'a' } },
    ['/?q=a', '/?q=b&q=a', '/?p=1&q=a', '/?qq=a', '/'],
    'two',
    'one',
    'two',
    'one',
    'one',
  ),
  byQuery(
    'regex',
    { stringMatch: { safeRegex: { regex: '\\d+' } } },
    ['/?q=12', '/?q=1a', '/?q='],
    'two',
    'one',
    'one',
  ),
  byQuery('presence', { presentMatch: true }, ['/?q', '/?q=', '/?r'], 'two', 'two', 'one'),
  matching(
    'a share of none',
    { runtimeFraction: { defaultValue: { numerator: 0 } } },
    [{}, {}],
    'one',
    'one',
  ),
  matching(
    'a share of all',
    { runtimeFraction: { defaultValue: { numerator: 1_000_000, denominator: 'MILLION' } } },
    [{}, {}],
    'two',
    'two',
  ),
];

const rewriting = (
  what: string,
  match: object,
  action: object,
  paths: readonly string[],
  ...urls: string[]
): RouteCase => ({
  what: `rewrite: ${what}`,
  routes: [{ match, route: to('one', action) }],
  requests: paths.map((path) => ({ path })),
  expected: urls.map((url) => ({ upstream: { url } })),
});
const regexRewrite = (regex: string, substitution: string) => ({
  regexRewrite: { pattern: { regex }, substitution },
});

const REWRITES: readonly RouteCase[] = [
  rewriting(
    'prefix',
    { prefix: '/a/' },
    { prefixRewrite: '/' },
    ['/a/b?c=/a/', '/a/', '/a/a/a/'],
    '/b?c=/a/',
    '/',
    '/a/a/',
  ),
  rewriting(
    'prefix of a segment',
    { pathSeparatedPrefix: '/a' },
    { prefixRewrite: '/x/y' },
    ['/a', '/a/b'],
    '/x/y',
    '/x/y/b',
  ),
  rewriting(
    'prefix, whatever the case',
    { prefix: '/A.', caseSensitive: { value: false } },
    { prefixRewrite: '/x' },
    ['/a.b'],
    '/xb',
  ),
  rewriting('prefix of a whole path', { path: '/a' }, { prefixRewrite: '/b' }, ['/a?c'], '/b?c'),
  rewriting(
    'prefix of a regex: all of it',
    { safeRegex: { regex: '/a.*' } },
    { prefixRewrite: '/b' },
    ['/abc?d'],
    '/b?d',
  ),
  rewriting('regex, every match', { prefix: '/' }, regexRewrite('a', 'x'), ['/a/ba?a'], '/x/bx?a'),
  rewriting(
    'regex with groups',
    { prefix: '/' },
    regexRewrite('^/(\\w+)/(\\w+)', '/\\2/\\1'),
    ['/a/b/c'],
    '/b/a/c',
  ),
  {
    what: 'rewrite: host',
    routes: [{ match: { prefix: '/' }, route: to('one', { hostRewriteLiteral: 'inside.test:80' }) }],
    requests: [{}],
    expected: [{ upstream: { headers: { host: 'inside.test:80' } } }],
  },
];

const redirecting = (what: string, redirect: object, ...locations: string[]): RouteCase => ({
  what: `redirect: ${what}`,
  routes: [{ match: { prefix: '/old' }, redirect }, ONE],
  requests: [{ path: '/old/a?b=c' }, { path: '/old' }],
  expected: locations.map((location) => ({ headers: { location }, upstream: undefined })),
});

const REDIRECTS: readonly RouteCase[] = [
  redirecting('path', { pathRedirect: '/new' }),
  redirecting('prefix', { prefixRewrite: '/new' }),
  redirecting('regex', { regexRewrite: { pattern: { regex: '^/old' }, substitution: '/new' } }),
  redirecting('host', { hostRedirect: 'elsewhere.test' }),
  redirecting('port', { portRedirect: 8443 }),
  redirecting('https', { httpsRedirect: true }),
  redirecting('scheme and port', { schemeRedirect: 'https', portRedirect: 8443 }),
  redirecting('without the query', { pathRedirect: '/new', stripQuery: true }),
  ...['MOVED_PERMANENTLY', 'FOUND', 'SEE_OTHER', 'TEMPORARY_REDIRECT', 'PERMANENT_REDIRECT'].map(
    (responseCode) => redirecting(responseCode, { hostRedirect: 'elsewhere.test', responseCode }),
  ),
];

const add = (key: string, value: string, more: object = {}) => ({ header: { key, value }, ...more });
const SET = { appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' };
const level = (mark: string) => ({
  requestHeadersToAdd: [add('x-set', mark, SET), add('x-add', mark)],
  requestHeadersToRemove: [`x-not-${mark}`],
  responseHeadersToAdd: [add('x-seen', mark, SET), add('x-via', mark)],
});

const HEADERS: readonly RouteCase[] = [
  {
    what: 'headers: set, added, removed',
    routes: [
      {
        match: { prefix: '/' },
        route: to('one'),
        requestHeadersToAdd: [
          add('x-a', '1', SET),
          add('x-b', '2'),
          add('x-c', '3', { append: { value: false } }),
          add('x-empty', ''),
          add('x-kept', '', { keepEmptyValue: true }),
          add('x-percent', '100%%'),
        ],
        requestHeadersToRemove: ['x-gone', 'X-ALSO'],
        responseHeadersToAdd: [add('x-seen', 'yes', SET), add('x-from', 'roost')],
        responseHeadersToRemove: ['x-secret'],
      },
    ],
    requests: [
      { headers: { 'x-a': '0', 'x-b': '0', 'x-c': '0', 'x-gone': '1', 'x-also': '1', 'x-stays': '1' } },
      {},
    ],
    expected: [
      { upstream: { headers: { 'x-a': '1', 'x-b': '0, 2', 'x-stays': '1' } }, headers: { 'x-seen': 'yes' } },
    ],
  },
  {
    what: 'headers: the virtual host has the last word over the route',
    host: level('host'),
    routes: [{ match: { prefix: '/' }, route: to('one'), ...level('route') }],
    requests: [{ headers: { 'x-not-host': '1', 'x-not-route': '1', 'x-set': '0' } }],
    expected: [{ upstream: { headers: { 'x-set': 'host', 'x-add': 'route, host' } } }],
  },
  {
    what: 'headers: of the cluster that the request goes to, before all others',
    host: level('host'),
    routes: [
      {
        match: { prefix: '/' },
        ...level('route'),
        route: to('', {
          weightedClusters: {
            clusters: [
              { name: 'one', weight: { value: 0 }, ...level('one') },
              { name: 'two', weight: { value: 1 }, ...level('two'), hostRewriteLiteral: 'two.test' },
            ],
          },
        }),
      },
    ],
    requests: [{ headers: { 'x-not-two': '1', 'x-not-one': '1' } }],
    expected: [{ upstream: { backend: 'two', headers: { 'x-add': 'two, route, host', host: 'two.test' } } }],
  },
  {
    what: 'headers: what one level removes, another has added',
    host: { requestHeadersToRemove: ['x-made'] },
    routes: [{ match: { prefix: '/' }, route: to('one'), requestHeadersToAdd: [add('x-made', '1')] }],
    requests: [{}],
  },
];

const retrying = (
  what: string,
  retryPolicy: object,
  requests: readonly CallOptions[],
  ...expected: object[]
): RouteCase => ({
  what: `retries: ${what}`,
  routes: [
    {
      match: { prefix: '/' },
      route: to('one', {
        retryPolicy: {
          retryBackOff: { baseInterval: { nanos: 1e6 } },
          numRetries: { value: 2 },
          ...retryPolicy,
        },
      }),
    },
  ],
  requests,
  expected,
});
const answered = (answers: string, more: CallOptions = {}): CallOptions => ({
  ...more,
  headers: { 'x-answer': answers },
});
const after = (status: number, attempts: number) => ({ status, headers: { 'x-attempt': String(attempts) } });

const RETRIES: readonly RouteCase[] = [
  retrying(
    '5xx, so many times',
    { retryOn: '5xx' },
    [answered('500,500,200'), answered('500,500,500,200'), answered('404')],
    after(200, 3),
    after(500, 3),
    after(404, 1),
  ),
  retrying(
    'gateway errors',
    { retryOn: 'gateway-error' },
    [answered('502,200'), answered('500,200')],
    after(200, 2),
    after(500, 1),
  ),
  retrying(
    'statuses',
    { retryOn: 'retriable-status-codes', retriableStatusCodes: [429] },
    [answered('429,200'), answered('503,200')],
    after(200, 2),
    after(503, 1),
  ),
  retrying(
    'conflicts',
    { retryOn: 'retriable-4xx' },
    [answered('409,200'), answered('404,200')],
    after(200, 2),
    after(404, 1),
  ),
  retrying(
    'words for what is not HTTP/1.1',
    { retryOn: 'refused-stream,unavailable,5xx' },
    [answered('503,200')],
    after(200, 2),
  ),
  retrying(
    'once unless told',
    { retryOn: '5xx', numRetries: undefined },
    [answered('500,500,200')],
    after(500, 2),
  ),
  retrying(
    'of any method',
    { retryOn: '5xx' },
    [answered('500,200', { method: 'POST', body: 'x' })],
    after(200, 2),
  ),
  retrying(
    'of the methods that it names',
    { retryOn: '5xx', retriableRequestHeaders: [{ name: ':method', stringMatch: { exact: 'PUT' } }] },
    [answered('500,200', { method: 'PUT' }), answered('500,200', { method: 'POST' })],
    after(200, 2),
    after(500, 1),
  ),
  retrying(
    'after a try that takes too long',
    { retryOn: 'reset,5xx', perTryTimeout: { nanos: 2e8 } },
    [{ headers: { 'x-wait': '2000' } }],
    after(200, 2),
  ),
  {
    what: 'retries: as the virtual host says',
    host: { retryPolicy: { retryOn: '5xx', numRetries: { value: 1 } } },
    routes: [ONE],
    requests: [answered('500,200')],
    expected: [after(200, 2)],
  },
];

const TIMEOUTS: readonly RouteCase[] = ['timeout', 'maxStreamDuration'].map((field) => ({
  what: `timeouts: ${field}`,
  routes: [
    {
      match: { prefix: '/' },
      route: to('one', {
        [field]: field === 'timeout' ? { nanos: 3e8 } : { maxStreamDuration: { nanos: 3e8 } },
      }),
    },
  ],
  requests: [{ headers: { 'x-wait': '3000' } }, {}],
  expected: [{ status: 504 }, { status: 200 }],
}));

const NEWER_TIMEOUTS: RouteCase = {
  what: 'timeouts: maxStreamDuration takes the place of timeout',
  routes: [
    {
      match: { prefix: '/' },
      route: {
        cluster: 'one',
        timeout: { nanos: 2e8 },
        maxStreamDuration: { maxStreamDuration: { seconds: 10 } },
      },
    },
  ],
  requests: [{ headers: { 'x-wait': '600' } }],
  expected: [{ status: 200 }],
};

const fault = (config: object) => ({
  'envoy.filters.http.fault': packAny(FAULT_TYPE, config),
});
const ALL = { percentage: { numerator: 100 } };
const FAULTS: readonly RouteCase[] = [
  {
    what: 'faults: an abort',
    routes: [{ ...ONE, typedPerFilterConfig: fault({ abort: { httpStatus: 418, ...ALL } }) }],
    requests: [{}],
    expected: [{ status: 418, upstream: undefined }],
  },
  {
    what: 'faults: of no share there is none',
    routes: [{ ...ONE, typedPerFilterConfig: fault({ abort: { httpStatus: 418 } }) }],
    requests: [{}],
    expected: [{ status: 200 }],
  },
  {
    what: 'faults: of the virtual host, but for a route of its own mind',
    host: { typedPerFilterConfig: fault({ abort: { httpStatus: 418, ...ALL } }) },
    routes: [
      { match: { prefix: '/own' }, route: to('one'), typedPerFilterConfig: fault({}) },
      {
        match: { prefix: '/off' },
        route: to('one'),
        typedPerFilterConfig: {
          'envoy.filters.http.fault': packAny('envoy.config.route.v3.FilterConfig', { disabled: true }),
        },
      },
      ONE,
    ],
    requests: [{}, { path: '/own' }, { path: '/off' }],
    expected: [{ status: 418 }, { status: 200 }, { status: 200 }],
  },
  {
    what: 'faults: a delay does no harm to the answer',
    routes: [{ ...ONE, typedPerFilterConfig: fault({ delay: { fixedDelay: { nanos: 1e8 }, ...ALL } }) }],
    requests: [{}],
    expected: [{ status: 200 }],
  },
];

const OTHERS: readonly RouteCase[] = [
  { what: 'the first route', routes: [ONE], requests: [{}], expected: [{ status: 200 }] },
  {
    what: 'no route',
    routes: [{ match: { path: '/only' }, route: to('one') }],
    requests: [{ path: '/other' }],
    expected: [{ status: 404 }],
  },
  {
    what: 'weights 0 and all',
    routes: [
      {
        match: { prefix: '/' },
        route: to('', {
          weightedClusters: {
            clusters: [
              { name: 'one', weight: { value: 0 } },
              { name: 'two', weight: { value: 300 } },
            ],
          },
        }),
      },
    ],
    requests: [{}, {}, {}],
    expected: [{ upstream: { backend: 'two' } }],
  },
];

export const ROUTE_CASES: readonly RouteCase[] = [
  ...OTHERS,
  ...MATCHES,
  ...REWRITES,
  ...REDIRECTS,
  ...HEADERS,
  ...RETRIES,
  ...TIMEOUTS,
  NEWER_TIMEOUTS,
  ...FAULTS,
];
