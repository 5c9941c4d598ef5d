import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { chromium } from 'playwright-core';
import t, { type Test } from 'tap';
import { decisionTable } from '../../control-plane/plan/decision-table.js';
import { cookieProblems } from '../../src/model/cookie-rules.js';
import { parseMeshService } from '../../src/model/mesh-service.js';
import { formatSetCookie } from '../../src/routing/session-cookie.js';
import { OPENSSL, TestAuthority } from '../support/certificates.js';
import { temporaryFolder } from '../support/folder.js';
import { findPeer, pathOf } from '../support/peers.js';

/** `apply` refuses the cookies that a browser drops, and no others. */

const CHROMIUM = findPeer('CHROMIUM', 'chromium', 'chromium-browser', 'google-chrome');
const HOST = 'checkout.shop.example';

/** Each is called at {@link HOST}, over TLS. */
const COOKIES: readonly { readonly name: string; readonly [field: string]: unknown }[] = [
  { name: 'plain' },
  { name: 'lax', secure: false },
  { name: 'strict', sameSite: 'Strict', path: '/', ttl: '1h', httpOnly: false },
  { name: 'none', sameSite: 'None', secure: true },
  { name: 'none-auto', sameSite: 'None' },
  { name: 'none-insecure', sameSite: 'None', secure: false },
  { name: '__Secure-right', secure: true, domain: 'shop.example' },
  { name: '__Secure-auto' },
  { name: '__secure-case', secure: false },
  { name: '__Host-right', secure: true },
  { name: '__Host-auto' },
  { name: '__Host-path', secure: true, path: '/a' },
  { name: '__host-domain', secure: true, domain: HOST },
  { name: '__Http-right', secure: true },
  { name: '__Http-script', secure: true, httpOnly: false },
  { name: '__Host-Http-right', secure: true },
  { name: '__Host-Http-script', secure: true, httpOnly: false },
  { name: 'own-domain', domain: HOST },
  { name: 'wide-domain', domain: 'shop.example' },
  { name: 'top-domain', domain: 'example' },
  { name: 'long'.padEnd(3900, 'n') },
  { name: 'longer'.padEnd(4090, 'n') },
];

function documentWith(cookie: object): object {
  return {
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: 'checkout', namespace: 'shop' },
    spec: {
      port: 80,
      hosts: [HOST],
      versions: [{ name: 'v1', endpoints: [{ address: '10.0.0.1:80' }] }],
      affinity: { key: [{ cookie }], version: 'balanced' },
    },
  };
}

/** As a sidecar writes it. */
function setCookieOf(cookie: object): string {
  const context = { pinSecret: Buffer.from('secret'), incarnation: () => '' };
  const host = decisionTable(parseMeshService(documentWith(cookie)), context);
  const [source] = host.routes[0]?.affinity?.keys.sources ?? [];
  if (source?.kind !== 'cookie') throw new Error('the key is no cookie');
  return formatSetCookie(source.cookie, { key: 'k'.repeat(22), pin: undefined }, false);
}

/** A site that sets these, one at each path. */
async function startSite(t: Test, cookies: readonly string[]): Promise<number> {
  const authority = await TestAuthority.create(await temporaryFolder(t));
  const { cert, key } = await authority.issue('site', { names: [`DNS:${HOST}`] });
  const server = createServer(
    { cert: readFileSync(cert), key: readFileSync(key) },
    ({ url = '' }, response) => {
      response.setHeader('set-cookie', cookies[Number(url.slice('/a/'.length))] ?? []);
      response.end('ok');
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const skip = CHROMIUM.skip || OPENSSL.skip;
t.test('a browser keeps what apply takes, and drops what it refuses', { skip }, async (t) => {
  const port = await startSite(t, COOKIES.map(setCookieOf));
  const browser = await chromium.launchPersistentContext(await temporaryFolder(t), {
    executablePath: pathOf(CHROMIUM),
    headless: true,
    ignoreHTTPSErrors: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      `--host-resolver-rules=MAP ${HOST} 127.0.0.1`,
    ],
  });
  t.teardown(() => browser.close());
  const page = browser.pages()[0] ?? (await browser.newPage());
  for (const i of COOKIES.keys()) await page.goto(`https://${HOST}:${port}/a/${i}`);
  const kept = new Set((await browser.cookies()).map(({ name }) => name));
  for (const cookie of COOKIES) {
    const problems = cookieProblems(documentWith(cookie));
    t.equal(
      kept.has(cookie.name),
      problems.length === 0,
      `${JSON.stringify(cookie).slice(0, 80)} ${problems[0]?.message ?? ''}`,
    );
  }
});
