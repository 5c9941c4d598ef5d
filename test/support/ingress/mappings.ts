import type { Annotations } from './rule-cases.js';

const COOKIE = { affinity: 'cookie' };

/** What each annotation, alone or with those it needs, makes of the service, and what the report says of it. */
export const MAPPINGS: readonly {
  readonly name: string;
  readonly primary?: Annotations;
  readonly rules?: Annotations;
  readonly spec: object;
  readonly outcome: string;
}[] = [
  {
    name: 'canary-weight',
    rules: { 'canary-weight': '30' },
    spec: {
      routes: [
        {
          split: [
            { version: 'p', weight: 70 },
            { version: 'c', weight: 30 },
          ],
        },
      ],
    },
    outcome: 'exact',
  },
  {
    name: 'canary-weight-total',
    rules: { 'canary-weight': '3', 'canary-weight-total': '50' },
    spec: { routes: [{ split: [{ weight: 97 }, { weight: 3 }] }] },
    outcome: 'exact',
  },
  {
    name: 'canary-weight-total',
    rules: { 'canary-weight': '3', 'canary-weight-total': '1000' },
    spec: { routes: [{ split: [{ weight: 997 }, { weight: 3 }] }] },
    outcome: 'exact',
  },
  {
    name: 'canary-weight',
    rules: { 'canary-weight': '1', 'canary-weight-total': '30000' },
    spec: { routes: [{ split: [{ weight: 29_999 }, { weight: 1 }] }] },
    outcome: 'changes',
  },
  {
    name: 'canary-weight',
    rules: { 'canary-weight': '4000000', 'canary-weight-total': '8000000' },
    spec: { routes: [{ split: [{ weight: 500_000 }, { weight: 500_000 }] }] },
    outcome: 'exact',
  },
  {
    name: 'canary-by-header-value',
    rules: { 'canary-by-header-value': 'x' },
    spec: { routes: [{ name: 'default' }] },
    outcome: 'exact',
  },
  {
    name: 'canary-by-header-pattern',
    rules: { 'canary-by-header': 'h', 'canary-by-header-pattern': 'a|b' },
    spec: { routes: [{ match: [{ headers: [{ regex: '(?s:.*)(?:a|b)(?s:.*)' }] }] }] },
    outcome: 'exact',
  },
  {
    name: 'affinity',
    primary: COOKIE,
    spec: {
      affinity: {
        key: [{ cookie: { name: 'INGRESSCOOKIE', path: '/info' } }],
        version: 'persistent',
        endpoint: 'balanced',
        precedence: 'session',
      },
    },
    outcome: 'changes',
  },
  {
    name: 'affinity-mode',
    primary: { ...COOKIE, 'affinity-mode': 'persistent' },
    spec: { affinity: { endpoint: 'persistent' } },
    outcome: 'exact',
  },
  {
    name: 'affinity-canary-behavior',
    primary: COOKIE,
    rules: { 'affinity-canary-behavior': 'legacy' },
    spec: { affinity: { version: 'none' } },
    outcome: 'changes',
  },
  {
    name: 'affinity-canary-behavior',
    primary: COOKIE,
    rules: { 'affinity-canary-behavior': 'sticky' },
    spec: { affinity: { version: 'persistent' } },
    outcome: 'exact',
  },
  {
    name: 'affinity-canary-behavior',
    rules: { 'affinity-canary-behavior': 'legacy' },
    spec: { affinity: undefined },
    outcome: 'exact',
  },
  {
    name: 'session-cookie-name',
    primary: { 'session-cookie-name': 'x' },
    spec: { affinity: undefined },
    outcome: 'exact',
  },
  {
    name: 'session-cookie-name',
    primary: { ...COOKIE, 'session-cookie-name': 'x' },
    spec: { affinity: { key: [{ cookie: { name: 'x' } }] } },
    outcome: 'exact',
  },
  {
    name: 'session-cookie-path',
    primary: { ...COOKIE, 'session-cookie-path': '/' },
    spec: { affinity: { key: [{ cookie: { path: '/' } }] } },
    outcome: 'exact',
  },
  {
    name: 'session-cookie-path',
    primary: { ...COOKIE, 'session-cookie-path': '/other' },
    spec: { affinity: { key: [{ cookie: { path: '/other' } }] } },
    outcome: 'changes',
  },
  {
    name: 'session-cookie-domain',
    primary: { ...COOKIE, 'session-cookie-domain': '.Foo.example' },
    spec: { affinity: { key: [{ cookie: { domain: 'foo.example' } }] } },
    outcome: 'exact',
  },
  {
    name: 'session-cookie-max-age',
    primary: { ...COOKIE, 'session-cookie-max-age': '90' },
    spec: { affinity: { key: [{ cookie: { ttl: '90s' } }] } },
    outcome: 'exact',
  },
  {
    name: 'session-cookie-expires',
    primary: { ...COOKIE, 'session-cookie-expires': '7200' },
    spec: { affinity: { key: [{ cookie: { ttl: '2h' } }] } },
    outcome: 'changes',
  },
  {
    name: 'session-cookie-samesite',
    primary: { ...COOKIE, 'session-cookie-samesite': 'none' },
    spec: { affinity: { key: [{ cookie: { sameSite: 'None', secure: true } }] } },
    outcome: 'changes',
  },
  {
    name: 'session-cookie-samesite',
    primary: { ...COOKIE, 'session-cookie-samesite': 'none', 'session-cookie-secure': 'true' },
    spec: { affinity: { key: [{ cookie: { sameSite: 'None', secure: true } }] } },
    outcome: 'exact',
  },
  {
    name: 'session-cookie-secure',
    primary: { ...COOKIE, 'session-cookie-samesite': 'None', 'session-cookie-secure': 'false' },
    spec: { affinity: { key: [{ cookie: { sameSite: 'None', secure: true } }] } },
    outcome: 'changes',
  },
  {
    name: 'session-cookie-name',
    primary: { ...COOKIE, 'session-cookie-name': '__Host-sid' },
    spec: { affinity: { key: [{ cookie: { name: '__Host-sid', secure: true } }] } },
    outcome: 'changes',
  },
  {
    name: 'session-cookie-conditional-samesite-none',
    primary: { ...COOKIE, 'session-cookie-conditional-samesite-none': 'true' },
    spec: {},
    outcome: 'none',
  },
  {
    name: 'session-cookie-secure',
    primary: { ...COOKIE, 'session-cookie-secure': 'true' },
    spec: { affinity: { key: [{ cookie: { secure: true } }] } },
    outcome: 'exact',
  },
  {
    name: 'session-cookie-secure',
    primary: { ...COOKIE, 'session-cookie-secure': 'false' },
    spec: { affinity: { key: [{ cookie: { secure: undefined } }] } },
    outcome: 'changes',
  },
  {
    name: 'session-cookie-change-on-failure',
    primary: { ...COOKIE, 'session-cookie-change-on-failure': 'true' },
    spec: {},
    outcome: 'changes',
  },
  {
    name: 'upstream-hash-by',
    primary: { 'upstream-hash-by': '$http_x_user_id' },
    spec: { affinity: { key: [{ header: 'x-user-id' }], version: 'none', endpoint: 'balanced' } },
    outcome: 'changes',
  },
  {
    name: 'upstream-hash-by',
    primary: { 'upstream-hash-by': ['$', '{arg_user}'].join('') },
    spec: { affinity: { key: [{ query: 'user' }] } },
    outcome: 'changes',
  },
  {
    name: 'upstream-hash-by',
    primary: { ...COOKIE, 'upstream-hash-by': '$arg_user' },
    spec: { affinity: { key: [{ cookie: {} }] } },
    outcome: 'exact',
  },
  {
    name: 'upstream-hash-by',
    primary: { 'upstream-hash-by': '$cookie_JSESSIONID' },
    spec: {
      affinity: {
        key: [{ cookie: { name: 'JSESSIONID', mint: false } }],
        version: 'none',
        endpoint: 'balanced',
      },
    },
    outcome: 'changes',
  },
  ...['$remote_addr', '$cookie_', '$request_uri', '$http_cookie', '$host$uri', 'text', '$'].map((value) => ({
    name: 'upstream-hash-by',
    primary: { 'upstream-hash-by': value },
    spec: { affinity: undefined },
    outcome: 'none',
  })),
  {
    name: 'load-balance',
    primary: { 'load-balance': 'round_robin' },
    spec: { loadBalancer: 'round-robin' },
    outcome: 'exact',
  },
  {
    name: 'load-balance',
    primary: { 'load-balance': 'ewma' },
    spec: { loadBalancer: 'least-request' },
    outcome: 'changes',
  },
  {
    name: 'load-balance',
    primary: { ...COOKIE, 'load-balance': 'ewma' },
    spec: { loadBalancer: undefined },
    outcome: 'exact',
  },
  {
    name: 'service-upstream',
    primary: { 'service-upstream': 'true' },
    spec: { versions: [{ dns: 'p.default.svc.cluster.local:80', endpoints: undefined }] },
    outcome: 'exact',
  },
  {
    name: 'backend-protocol',
    primary: { 'backend-protocol': 'http' },
    spec: { protocol: undefined },
    outcome: 'exact',
  },
  {
    name: 'proxy-connect-timeout',
    primary: { 'proxy-connect-timeout': '3' },
    spec: { timeouts: { connect: '3s' } },
    outcome: 'exact',
  },
  {
    name: 'proxy-read-timeout',
    primary: { 'proxy-read-timeout': '90', 'proxy-send-timeout': '120' },
    spec: { routes: [{ idleTimeout: '2m' }] },
    outcome: 'changes',
  },
  {
    name: 'proxy-next-upstream',
    primary: { 'proxy-next-upstream': 'error http_503 http_429' },
    spec: { routes: [{ retries: { attempts: 2, on: ['connect-failure', 'reset', '503', '429'] } }] },
    outcome: 'changes',
  },
  {
    name: 'proxy-next-upstream',
    primary: { 'proxy-next-upstream': 'off', 'proxy-next-upstream-tries': '5' },
    spec: { routes: [{ retries: undefined }] },
    outcome: 'changes',
  },
  {
    name: 'proxy-next-upstream-tries',
    primary: { 'proxy-next-upstream-tries': '4' },
    spec: { routes: [{ retries: { attempts: 3, on: ['connect-failure', 'reset'] } }] },
    outcome: 'changes',
  },
  {
    name: 'proxy-next-upstream-tries',
    primary: { 'proxy-next-upstream-tries': '0' },
    spec: { routes: [{ retries: { attempts: 10 } }] },
    outcome: 'changes',
  },
  {
    name: 'proxy-next-upstream-tries',
    primary: { 'proxy-next-upstream-tries': '1' },
    spec: { routes: [{ retries: undefined }] },
    outcome: 'changes',
  },
  {
    name: 'proxy-next-upstream-timeout',
    primary: { 'proxy-next-upstream-timeout': '4' },
    spec: {},
    outcome: 'none',
  },
  {
    name: 'server-alias',
    primary: { 'server-alias': 'a.example' },
    spec: { hosts: ['foo.example', 'a.example'] },
    outcome: 'changes',
  },
  {
    name: 'use-regex',
    primary: { 'use-regex': 'true' },
    spec: { routes: [{ match: [{ path: { regex: '(?i)/info.*' } }] }] },
    outcome: 'changes',
  },
  { name: 'rewrite-target', primary: { 'rewrite-target': '/$1' }, spec: {}, outcome: 'none' },
  { name: 'auth-url', primary: { 'auth-url': 'https://x' }, spec: {}, outcome: 'none' },
  {
    name: 'configuration-snippet',
    primary: { 'configuration-snippet': 'more_set_headers "a: b";' },
    spec: {},
    outcome: 'none',
  },
  { name: 'no-such-thing', primary: { 'no-such-thing': 'x' }, spec: {}, outcome: 'none' },
];
