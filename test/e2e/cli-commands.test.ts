import t, { type Test } from 'tap';
import { parse, stringify } from 'yaml';
import type { StatusResponse } from '../../src/api/config-service.js';
import { type Finished, roost, startControlPlane, startSidecar } from '../support/processes.js';
import { checkout, meshService } from '../support/shop.js';
import { XdsClient } from '../support/xds-client.js';

/** Each command is a process, which takes a while where the processor is shared. */
t.setTimeout(120_000);

/** `roost` against one control plane. */
async function start(t: Test) {
  const { grpc } = await startControlPlane(t);
  const run = (args: string, input = ''): Promise<Finished> =>
    roost(args.split(' '), { env: { ROOST_CONTROL_PLANE: grpc }, input });
  /** What a command prints that must succeed. */
  const ok = async (args: string, input = ''): Promise<string> => {
    const { code, stdout, stderr } = await run(args, input);
    t.same([code, stderr], [0, ''], args);
    return stdout;
  };
  return { grpc, run, ok };
}

/** The split of the route "default", as `roost get` shows it. */
const splitIn = (table: string) => /default +\* +(.*?) {2}/.exec(table)?.[1];

t.test('the life of a canary, told with the commands of the contract', async (t) => {
  const { grpc, run, ok } = await start(t);
  const sidecar = await startSidecar(t, [
    '--service',
    'frontend.shop',
    '--release',
    'v1',
    '--control-plane',
    grpc,
  ]);
  await sidecar.process.logged('connected to the control plane');
  const document = stringify(checkout({ split: { v1: 1 } }));

  t.equal(
    await ok('apply -f - --dry-run', document),
    'checkout.shop: valid, would be changed; nothing was applied\n',
  );
  t.equal(await ok('get'), 'no services are configured\n');
  t.equal(await ok('apply -f -', document), 'checkout.shop: revision 1, in force on 1 client\n');
  t.equal(
    await ok('apply -f -', document),
    'checkout.shop: nothing to change, revision 1 is in force on 1 client\n',
  );
  t.equal(
    await ok('split checkout.shop v1=90 v2=10'),
    'checkout.shop split v1=90 v2=10: revision 2, in force on 1 client\n',
  );
  t.equal(splitIn(await ok('get checkout.shop')), 'v1=90 v2=10');
  t.same(parse(await ok('get shop/checkout -o yaml')).spec.routes[0].split, [
    { version: 'v1', weight: 90 },
    { version: 'v2', weight: 10 },
  ]);

  const late = await run('split checkout.shop v1=1 v2=1 --expect-revision 1');
  t.equal(late.code, 1);
  t.match(late.stderr, /^roost: .*revision 2/m, 'a lost race says what is there');
  const wrong = await run('promote checkout.shop v9');
  t.not(wrong.code, 0);
  t.match(wrong.stderr, /"v9" is not a version of this service; it has v1, v2/);

  await ok('abort checkout.shop --drain');
  t.equal(splitIn(await ok('get')), 'v1=1 v2=0');
  await ok('abort checkout.shop');
  t.equal(splitIn(await ok('get')), 'v1=1');
  await ok('promote checkout.shop v2');
  t.match(
    await ok('abort checkout.shop'),
    /^checkout\.shop aborted: nothing to change, revision 5 is .*\nv2 is stable since revision 5 \("promote v2" by .*back to v1: roost undo checkout\.shop\n$/,
    'an abort takes no promotion back, and says what does',
  );
  t.match(
    await ok('abort checkout.shop --labels'),
    /^v2 is stable since revision 5 .*back to v1: roost undo checkout\.shop/m,
    'with labels neither',
  );
  t.match(JSON.parse(await ok('get checkout.shop -o json')), {
    spec: { stable: 'v2', routes: [{ split: [{ version: 'v2' }] }] },
  });
  t.match(JSON.parse(await ok('status -o json')) as StatusResponse, {
    revision: 5,
    services: 1,
    clients: [{ service: 'frontend', namespace: 'shop', release: 'v1', protocol: 'delta', inSync: true }],
  });
  t.match(await ok('status'), /^revision 5, 1 service, 1 client \(1 in sync\); store: /);
  t.equal(await ok('delete checkout.shop'), 'checkout.shop deleted: revision 6, in force on 1 client\n');
  t.match((await run('get checkout.shop')).stderr, 'roost: no service shop/checkout');
});

t.test('a change that a client rejects is told, with the reason, and fails', async (t) => {
  const { grpc, run } = await start(t);
  const client = XdsClient.delta(t, grpc, { id: 'odd-one', metadata: { namespace: 'shop' } });
  client.subscribe('cluster', '*');
  client.ack(await client.next('cluster'));
  const document = stringify(meshService('cart.shop'));
  const refused = run('apply -f -', document);
  client.nack(await client.next('cluster'), 'no such luck');
  const { code, stderr } = await refused;
  t.equal(code, 4);
  t.match(
    stderr,
    /^odd-one: \w+: no such luck\nroost: stored as revision 1, but 1 of 1 client rejected it and run what they had\n$/,
  );
  const status = await run('status');
  t.match(status.stdout, /odd-one .* REJECTED\n/);
  t.match(status.stdout, /rejected:\n {2}odd-one: \w+ of revision 1: no such luck\n/);

  const more = stringify(meshService('pay.shop'));
  const waited = await run('apply -f - --timeout 1ms', more);
  t.equal(waited.code, 4, 'a client that does not answer is waited for as long as one is told to');
  t.match(
    waited.stderr,
    /^odd-one: .*\nroost: stored as revision 2, 0 of 1 client have it; see "roost status"\n$/,
  );
  const gone = await run('split cart.shop v1=3 --no-wait -o json');
  t.equal(gone.code, 0);
  t.match(JSON.parse(gone.stdout), { revision: 3, changed: true, services: ['shop/cart'] });
});

t.test('every command explains itself, and its variables', async (t) => {
  const overview = await roost(['--help']);
  t.equal(overview.code, 0);
  const commands = [...overview.stdout.matchAll(/^ {2}([a-z][a-z-]*) /gm)].map(([, name]) => name as string);
  t.ok(commands.length > 10, commands.join(' '));
  for (const command of commands.filter((name) => name !== 'help')) {
    const { code, stdout, stderr } = await roost([command, '--help']);
    t.same([code, stderr], [0, ''], command);
    t.match(stdout, new RegExp(`Examples?:\\n  .*roost ${command}`), `${command} has an example`);
    const undocumented = [...stdout.matchAll(/^ {2}(?:-\w, )?--(?!help)[a-z-]+(?:.|\n {4,})*/gm)]
      .map(([option]) => option.replace(/\s+/g, ' '))
      .filter((option) => !/env: ROOST_[A-Z_]+\)$/.test(option));
    t.same(undocumented, [], `${command}: every option names its variable`);
  }
});

t.test('nothing that a client says gives orders to a terminal, or floods it', async (t) => {
  const { grpc, run } = await start(t);
  const orders = '\x1b]0;owned\x07\x9b2J\u202e\r\nrejected: nobody';
  const client = XdsClient.delta(t, grpc, {
    id: `pod${orders}`,
    metadata: { namespace: 'shop', service: `cart${orders}`, release: orders },
  });
  client.subscribe('cluster', '*');
  client.ack(await client.next('cluster'));
  const refused = run('apply -f -', stringify(meshService('cart.shop')));
  client.nack(await client.next('cluster'), `bad${orders}${'x'.repeat(100_000)}`);
  const outputs = [
    (await refused).stderr,
    ...(
      await Promise.all(
        ['status', 'status -o json', 'history', 'history -o json'].map((command) => run(command)),
      )
    ).map(({ stdout }) => stdout),
  ];
  for (const output of outputs) {
    t.notMatch(output, /[^\P{C}\n]/u);
    t.notMatch(output, /^rejected: nobody/m);
    t.ok(output.length < 20_000, `${output.length} characters`);
  }
  t.match(outputs[1], /pod\\x1b\]0;owned\\x07\\x9b2J\\u202e\\x0d\\x0arejected: nobody/);
  t.match(JSON.parse(outputs[2] as string), { clients: [{ id: `pod${orders}` }] });
});
