import { existsSync } from 'node:fs';
import t from 'tap';
import { DemoProcess, survivors } from '../support/demo.js';
import { eventually } from '../support/processes.js';

/** Fifteen processes and ten thousand requests take a while where the processor is shared. */
t.setTimeout(300_000);

/** Steps that the demo has to report, with a number of each. */
const STEPS = [
  ['a', /sessions on v1 +(\d+) of \1 /],
  ['b', /labelled sessions on v2 +(\d+) of \1 /],
  ['c', /new sessions on v2 +\S+ % \(\d+ of 2,000\) +10\.0 % /],
  ['d', /without affinity: back on v1 next time +\S+ % /],
  ['e', /sessions that were on v2 and left it +0 of /],
  ['f', /sessions of the dead pod: moved exactly once +(\d+) of \1 /],
  ['g', /sessions on v1 +([\d,]+) of \1 /],
] as const;

t.test('tells the whole story, keeps every promise, and leaves nothing behind', async (t) => {
  const demo = DemoProcess.start(t);
  await demo.says(/\n\(b\) /);
  const children = demo.children();
  t.ok(children.length >= 15, 'a control plane, and seven apps with a sidecar each');
  const code = await demo.exited;
  const { output } = demo;
  t.equal(code, 0, output);
  for (const [letter, number] of STEPS) {
    const [, told = ''] = output.split(`\n(${letter}) `);
    const section = told.split(/\n\([a-z]\) /)[0] as string;
    t.match(section, number, `(${letter})`);
    t.match(section, /failed requests +0 of [\d,]+ +none +ok\n/, `(${letter}) no request failed`);
  }
  for (const command of ['split checkout.shop v1=90 v2=10', 'apply -f examples/shop/', 'abort checkout.shop'])
    t.match(output, `$ roost ${command}`);
  t.notMatch(output, /FAILED/);
  for (const pod of ['frontend-v1-1', 'frontend-v1-2'])
    t.match(output, `; the last: ${pod} → checkout-`, 'both pods of the frontend have a part in it');
  t.match(output, /\nAll \d+ numbers are what was promised/);
  t.strictSame(survivors(children), []);
});

t.test('ended in the middle, it ends everything that it has started', async (t) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const demo = DemoProcess.start(t);
    await eventually('the sidecars are being started', () => demo.children().length > 4);
    const children = demo.children();
    demo.signal(signal);
    t.equal(await demo.exited, 130, signal);
    t.match(demo.output, `ended by ${signal}`);
    t.strictSame(survivors(children), [], signal);
  }
});

t.test('killed outright, its children end by themselves', async (t) => {
  const demo = DemoProcess.start(t);
  const [, folder = ''] = await demo.says(/store: (\S+)\/control-plane/);
  const children = demo.children();
  demo.signal('SIGKILL');
  await demo.exited;
  await eventually('the children are gone', () => survivors(children).length === 0);
  t.ok(existsSync(folder), 'the logs stay');
});

t.test('takes no arguments that it does not know', async (t) => {
  const demo = DemoProcess.start(t, ['--forever']);
  t.equal(await demo.exited, 2);
  t.match(demo.output, /--forever[\s\S]*npm run demo \[-- --keep\]/);
});
