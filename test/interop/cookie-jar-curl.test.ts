import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { temporaryFolder } from '../support/folder.js';
import { keepsItsPlace, startCookieShop } from '../support/frontend.js';
import { findPeer, pathOf } from '../support/peers.js';

const CURL = findPeer(undefined, 'curl');
const run = promisify(execFile);

t.test('20: curl with a cookie jar keeps its release and its pod', { skip: CURL.skip }, async (t) => {
  const shop = await startCookieShop(t, { v1: 50, v2: 50 });
  const jar = join(await temporaryFolder(t), 'cookies.txt');
  const visit = async () => (await run(pathOf(CURL), ['-sSf', '-b', jar, '-c', jar, shop.url])).stdout;
  await keepsItsPlace(t, shop, visit);
  const cookies = (await readFile(jar, 'utf8')).split('\n').filter((line) => line.includes('roost-checkout'));
  t.equal(cookies.length, 1, 'one cookie');
  t.match(cookies[0], /^#HttpOnly_/);
});

t.test('20: curl without a jar is a new session every time', { skip: CURL.skip }, async (t) => {
  const shop = await startCookieShop(t, { v1: 50, v2: 50 });
  const places = new Set<string>();
  for (let i = 0; i < 60; i++) places.add((await run(pathOf(CURL), ['-sSf', shop.url])).stdout);
  t.ok(places.size > 1, `${[...places]}`);
});
