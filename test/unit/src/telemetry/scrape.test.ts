import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { type BoundMetric, bindMetrics, type Collector, sample } from '../../../../src/telemetry/metrics.js';
import { Scraper } from '../../../../src/telemetry/scrape.js';
import { parseExposition } from '../../../support/exposition.js';
import { eventually } from '../../../support/processes.js';

function metricsOf(collect: Collector): BoundMetric[] {
  const table = { things: { type: 'gauge', help: 'Things.', labels: ['n'] } } as const;
  return bindMetrics(table, { things: collect });
}

function manySamples(count: number, each: () => void = () => {}): Collector {
  return function* (name) {
    for (let n = 0; n < count; n++) {
      each();
      yield sample(name, `n="${n}"`, n);
    }
  };
}

async function serve(t: Test, scraper: Scraper): Promise<string> {
  const server = createServer((_request, response) => void scraper.answer(response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

t.test('other work goes on between the slices of a scrape', async (t) => {
  const burn = () => {
    const until = performance.now() + 0.25;
    while (performance.now() < until);
  };
  let turns = 0;
  let running = true;
  const turn = () => {
    turns++;
    if (running) setImmediate(turn);
  };
  const url = await serve(t, new Scraper(metricsOf(manySamples(640, burn)), async () => turn()));
  const text = await (await fetch(url)).text();
  running = false;
  t.equal(parseExposition(text).get('things')?.samples.length, 640);
  // 640 pieces of at least 0.25 ms, looked at every 32 of them, which take 8 ms: a turn for each look.
  t.ok(turns >= 20, `${turns} turns`);
});

t.test('a large text arrives whole, and a reader that stops reading holds one piece of it', async (t) => {
  let made = 0;
  const scraper = new Scraper(metricsOf(manySamples(400_000, () => made++)), async () => {});
  const url = await serve(t, scraper);
  const text = await (await fetch(url)).text();
  t.equal(text.split('\n').length, 400_003);
  made = 0;
  await new Promise<void>((resolve) => {
    const request = get(url, (response) => {
      response.pause();
      resolve();
    });
    t.teardown(() => request.destroy());
  });
  let before = -1;
  await eventually('making stops', async () => {
    const same = made === before;
    before = made;
    await new Promise((done) => setTimeout(done, 100));
    return same;
  });
  t.ok(made < 400_000, `${made} of 400000 samples made for a reader that does not read`);
});

t.test('too many scrapes at a time are refused, and places become free again', async (t) => {
  const waiting: (() => void)[] = [];
  const prepare = () => new Promise<void>((resolve) => waiting.push(resolve));
  const url = await serve(t, new Scraper(metricsOf(manySamples(1)), prepare));
  const answers = Array.from({ length: 8 }, () => fetch(url));
  await eventually('eight are under way', () => waiting.length === 8);
  const refused = await fetch(url);
  t.equal(refused.status, 503);
  await refused.text();
  for (const resolve of waiting.splice(0)) resolve();
  for (const answer of await Promise.all(answers)) {
    t.equal(answer.status, 200);
    await answer.text();
  }
  const again = fetch(url);
  await eventually('the next is under way', () => waiting.length === 1);
  waiting[0]?.();
  t.equal((await again).status, 200);
});
