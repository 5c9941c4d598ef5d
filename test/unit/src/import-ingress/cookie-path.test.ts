import t from 'tap';
import { importObjects, ingress, slice } from '../../../support/ingress/manifests.js';

/** The path of a session's cookie: clients compare it with the URL's, and know no expressions. */

interface Case {
  readonly paths: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly cookiePath: string;
}

const REWRITE = { 'rewrite-target': '/$2' };
const REGEX = { 'use-regex': 'true' };

const CASES: readonly Case[] = [
  { paths: ['/checkout(/|$)(.*)'], annotations: REWRITE, cookiePath: '/checkout' },
  { paths: ['/a/checkout(/|$)(.*)', '/a/cart(/|$)(.*)'], annotations: REWRITE, cookiePath: '/a' },
  { paths: ['/checkout(/|$)(.*)', '/cart(/|$)(.*)'], annotations: REWRITE, cookiePath: '/' },
  { paths: ['/checkout/(.*)'], annotations: { 'rewrite-target': '/$1' }, cookiePath: '/checkout' },
  { paths: ['/checkout(?:/|$)(.*)$'], annotations: { 'rewrite-target': '/$1' }, cookiePath: '/checkout' },
  { paths: ['/checkout/?(.*)'], annotations: { 'rewrite-target': '/$1' }, cookiePath: '/checkout' },
  { paths: ['/(.*)'], annotations: { 'rewrite-target': '/$1' }, cookiePath: '/' },
  // In any case, so that no path but this one is right for all that they match.
  { paths: ['/checkout(/|$)(.*)'], annotations: REGEX, cookiePath: '/' },
  { paths: ['/shop/v[0-9]+', '/shop/cart'], annotations: REGEX, cookiePath: '/' },
  { paths: ['/old/(.*)/x'], annotations: { 'rewrite-target': '/y' }, cookiePath: '/' },
  { paths: ['/plain'], annotations: REGEX, cookiePath: '/plain' },
  { paths: ['/größe'], cookiePath: '/gr%C3%B6%C3%9Fe' },
  { paths: ['/a;b/c'], cookiePath: '/' },
];

function importPaths(paths: readonly string[], annotations: Readonly<Record<string, string>> = {}) {
  const { services, report } = importObjects([
    ingress('checkout', {
      annotations: { affinity: 'cookie', ...annotations },
      rules: paths.map((path) => ({ path })),
    }),
    slice('checkout', '10.0.1.1:80'),
  ]);
  const [key] = services[0]?.spec.affinity?.key ?? [];
  return { report, cookie: key?.cookie as { readonly path: string } | undefined };
}

t.test(
  'is what all of the service’s paths have in common, by whole segments, and no expression',
  async (t) => {
    for (const { paths, annotations, cookiePath } of CASES) {
      const { report, cookie } = importPaths(paths, annotations);
      t.equal(cookie?.path, cookiePath, paths.join(' and '));
      t.same(report.refused, []);
    }
  },
);

t.test('the report says where it differs from ingress-nginx, which sent the expression', async (t) => {
  const finding = (path: string, annotations: Readonly<Record<string, string>>, field: string) =>
    importPaths([path], annotations).report.findings.find((each) => each.field === field);
  const path = '/checkout(/|$)(.*)';
  t.match(finding(path, REWRITE, 'affinity'), {
    outcome: 'changes',
    note: /the cookie's path is \/checkout; there it is \/checkout\(\/\|\$\)\(\.\*\), which clients/,
  });
  t.notMatch(finding('/checkout', {}, 'affinity')?.note, /cookie's path/);
  const own = { ...REWRITE, 'session-cookie-path': path };
  t.match(finding(path, own, 'session-cookie-path'), { outcome: 'changes', note: /^\/checkout is taken/ });
  const right = { ...REWRITE, 'session-cookie-path': '/checkout' };
  t.match(finding(path, right, 'session-cookie-path'), { outcome: 'exact', note: 'the same' });
  t.notMatch(finding(path, right, 'affinity')?.note, /cookie's path/);
  t.match(importPaths(['/a'], { 'session-cookie-path': '/a b' }).report.refused, [
    { message: /"\/a b" is not a path of a cookie; \/a is taken/ },
  ]);
});

t.test(
  'the report names a path that nothing serves, and how the app is reached where paths are rewritten',
  async (t) => {
    const notes = (...all: Parameters<typeof importPaths>) =>
      importPaths(...all).report.services[0]?.notes.filter((note) => note.includes('404'));
    t.match(notes(['/checkout(/|$)(.*)'], REWRITE), [
      /^only \/checkout is routed, as in ingress-nginx: checkout\.default\/a is answered 404 no-route \(what the app serves as \/a is checkout\.default\/checkout\/a\)/,
    ]);
    t.match(notes(['/a', '/b']), [
      /^only .*\/a.*, .*\/b.* are routed, as in ingress-nginx: checkout\.default\/other/,
    ]);
    t.match(notes(['/shop/v[0-9]+'], REGEX), [/^only \(\?i\)\/shop\/v\[0-9\]\+\.\* is routed/]);
    t.same(notes(['/']), []);
    t.same(notes(['/(.*)'], { 'rewrite-target': '/$1' }), []);
  },
);

t.test('an expression beyond ASCII is of the path as it stands in the URL', async (t) => {
  const regexOf = (path: string, annotations = {}) => {
    const rules = [{ path, pathType: 'ImplementationSpecific' }];
    const objects = [ingress('checkout', { annotations, rules }), slice('checkout', '10.0.1.1:80')];
    const { services, report } = importObjects(objects);
    const [match] = services[0]?.spec.routes?.[0]?.match ?? [];
    return match?.path?.regex ?? report.refused.map(({ message }) => message).join();
  };
  t.equal(regexOf('/größe'), '/gr%C3%B6%C3%9Fe.*');
  t.equal(regexOf('/ö+x/\\d', REGEX), '(?i)/(?:%C3%B6)+x/\\d.*');
  t.match(regexOf('/[äö]', REGEX), /has "äö", and a URL has ASCII alone; write %C3%A4%C3%B6/);
});
