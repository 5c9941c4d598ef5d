import { chromium } from 'playwright-core';
import t, { type Test } from 'tap';
import { temporaryFolder } from '../support/folder.js';
import { keepsItsPlace, startCookieShop } from '../support/frontend.js';
import { findPeer, pathOf } from '../support/peers.js';

const CHROMIUM = findPeer('CHROMIUM', 'chromium', 'chromium-browser', 'google-chrome');
/** No sandbox: a container's root may not make one. Nothing is fetched but what a test names. */
const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'];

/** A browser with a profile of its own, which outlives the browser. */
async function openBrowser(t: Test, profile: string) {
  const options = { executablePath: pathOf(CHROMIUM), headless: true, args: ARGS };
  const browser = await chromium.launchPersistentContext(profile, options);
  t.teardown(() => browser.close());
  const page = browser.pages()[0] ?? (await browser.newPage());
  return { browser, page };
}

t.test('20: a browser keeps its release and its pod', { skip: CHROMIUM.skip }, async (t) => {
  const shop = await startCookieShop(t, { v1: 50, v2: 50 });
  const { browser, page } = await openBrowser(t, await temporaryFolder(t));
  const textOf = () => page.locator('body').innerText();
  await page.goto(shop.url);
  await keepsItsPlace(t, shop, async () => {
    await page.reload();
    return (await textOf()).trim();
  });
  const cookies = await browser.cookies(shop.url);
  t.match(cookies, [{ name: 'roost-checkout', httpOnly: true, sameSite: 'Lax', path: '/' }]);
  t.equal(cookies.length, 1);
});

t.test(
  '20: a browser that is closed and opened again finds its session',
  { skip: CHROMIUM.skip },
  async (t) => {
    const shop = await startCookieShop(t, { v1: 50, v2: 50 });
    const profile = await temporaryFolder(t);
    const places: string[] = [];
    for (let opened = 0; opened < 2; opened++) {
      const { browser, page } = await openBrowser(t, profile);
      await page.goto(shop.url);
      places.push(await page.locator('body').innerText());
      await browser.close();
    }
    t.equal(places[1], places[0]);
    const others = await Promise.all(Array.from({ length: 30 }, async () => (await fetch(shop.url)).text()));
    t.ok(new Set(others).size > 1, 'where sessions without its cookies go anywhere');
  },
);
