import { existsSync } from 'node:fs';
import t from 'tap';
import type { Answer } from '../../examples/shop/app.js';
import { DemoProcess, survivors } from '../support/demo.js';
import { roost } from '../support/processes.js';

/** The story comes first, and takes a while where the processor is shared. */
t.setTimeout(300_000);

t.test('with --keep, what it prints to try works until Ctrl-C, and nothing stays afterwards', async (t) => {
  const demo = DemoProcess.start(t, ['--keep']);
  await demo.says(/roost abort checkout\.shop\n$/);
  const children = demo.children();

  const [, url = ''] = await demo.says(/curl (http:\S+) -H 'x-user-id: alice'\n/);
  const labelled = await fetch(url, { headers: { 'x-user-id': 'alice', 'x-region': 'us-east' } });
  const { served } = (await labelled.json()) as Answer;
  t.strictSame(
    served.map(({ service, version }) => `${service} ${version}`),
    ['frontend v1', 'checkout v2', 'payments v1'],
  );
  const [, other = ''] = await demo.says(/curl (http:\S+) -H 'x-user-id: alice'\n {2}curl .* -H 'x-region/);
  t.not(other, url);
  const sibling = await fetch(other, { headers: { 'x-user-id': 'alice', 'x-region': 'us-east' } });
  const [entered, ...rest] = ((await sibling.json()) as Answer).served;
  t.not(entered?.pod, served[0]?.pod, 'the frontend has another pod');
  t.strictSame(rest[0], served[1], 'through which the session is on the same pod of checkout');
  const [, clusters = ''] = await demo.says(/curl (http:\S+\/clusters)/);
  t.equal((await fetch(clusters)).status, 200);

  const [, controlPlane = ''] = await demo.says(/export ROOST_CONTROL_PLANE=(\S+)/);
  const status = await roost(['status'], { env: { ROOST_CONTROL_PLANE: controlPlane } });
  t.match(status.stdout, /3 services, 7 clients \(7 in sync\)/, status.stderr);
  const [, folder = ''] = /store: (\S+)\/control-plane/.exec(status.stdout) ?? [];

  // Who plays with the shop may end one of its processes; the rest stays up.
  const [, app = ''] = await demo.says(/checkout-v1-2 .*app (\d+)/);
  process.kill(Number(app), 'SIGKILL');
  t.equal((await fetch(url, { headers: { 'x-user-id': 'bob' } })).status, 200);

  demo.signal('SIGINT');
  // Its status says whether every number of the story was what was promised.
  t.equal(await demo.exited, 0, demo.output);
  t.strictSame(survivors(children), []);
  t.notOk(existsSync(folder), 'its folder is removed');
});
