import t from 'tap';
import { parseTarget } from '../../../../src/import-ingress/redirect.js';
import { rewritePath } from '../../../../src/import-ingress/rewrite.js';
import { meshServiceSchema } from '../../../../src/model/schema.js';

/** What a rule's path and its `rewrite-target` become; a text is part of the reason why they become nothing. */
const REWRITES: readonly { path: string; target: string; to: object | RegExp }[] = [
  { path: '/shop', target: '/', to: { byPrefix: false, rewrite: { path: '/' } } },
  {
    path: '/shop(/|$)(.*)',
    target: '/$2',
    to: { byPrefix: true, match: { prefix: '/shop' }, rewrite: { prefix: '/' } },
  },
  {
    path: '/shop/(.*)',
    target: '/v1/store/$1',
    to: { byPrefix: true, match: { prefix: '/shop' }, rewrite: { prefix: '/v1/store' } },
  },
  {
    path: '/shop/?(.*)',
    target: '/$1',
    to: { byPrefix: true, match: { prefix: '/shop' }, rewrite: { prefix: '/' } },
  },
  {
    path: '/(.*)',
    target: '/base/$1',
    to: { byPrefix: true, match: undefined, rewrite: { prefix: '/base' } },
  },
  { path: '/(.*)', target: '/$1', to: { byPrefix: true, match: undefined, rewrite: undefined } },
  { path: '/shop/(.*)', target: '/shop/$1', to: { byPrefix: true, rewrite: undefined } },
  { path: '/shop(/|$)(.*)', target: '/$1', to: /other captures/ },
  { path: '/shop/(.*)', target: '/$2', to: /other captures/ },
  { path: '/(img|css)/', target: '/$1', to: /other captures/ },
  { path: '/shop', target: '/$1', to: /other captures/ },
  { path: '/shop/(.*)', target: '/$1/x', to: /other captures/ },
  { path: '/shop', target: 'https://example.com/', to: /is not a path/ },
];

for (const { path, target, to } of REWRITES) {
  t.test(`rewrite-target ${target} on ${path}`, async (t) => {
    const rewritten = rewritePath(path, target);
    t.match(rewritten, to);
    if (typeof rewritten === 'string') return;
    const { match, rewrite } = rewritten;
    accepts({ ...(match ? { match: [{ path: match }] } : {}), ...(rewrite ? { rewrite } : {}) });
  });
}

t.test('a redirect keeps scheme, host, port and path', async (t) => {
  const cases: readonly [string, object | RegExp][] = [
    ['https://example.com', { scheme: 'https', host: 'example.com', path: '/' }],
    ['http://example.com:8080/a/b', { scheme: 'http', host: 'example.com', port: 8080, path: '/a/b' }],
    ['https://example.com/?a=b', /a query or a fragment/],
    ['https://example.com/#top', /a query or a fragment/],
    ['https://example.com$request_uri', /is not a URL|variables of nginx/],
    ['ftp://example.com', /not a URL of http or https/],
    ['/elsewhere', /is not a URL/],
  ];
  for (const [text, to] of cases) {
    const target = parseTarget(text);
    t.match(target, to, text);
    if (typeof target !== 'string') accepts({ redirect: { ...target, status: 301 } });
  }
});

/** The resource has the fields, whether or not anything implements them. */
function accepts(route: object): void {
  meshServiceSchema.parse({
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: 'shop' },
    spec: { port: 80, versions: [{ name: 'v1', dns: 'shop:80' }], routes: [{ name: 'default', ...route }] },
  });
}
