import t from 'tap';
import { whyNoNamespaces } from '../../support/network-namespaces.js';
import { Pods, serviceAt } from '../../support/pods.js';

/** Apps that know nothing, rules as `roost redirect` makes them, real sidecars. */

// Processes in network namespaces, one after the other: no limit for a machine that is busy.
t.setTimeout(120_000);

const skip = whyNoNamespaces();
const CHECKOUT = '10.96.0.10';
const CHECKOUT6 = 'fd96::10';

t.test('an app that knows nothing calls services by name and by address', { skip }, async (t) => {
  const pods = await Pods.start(t);
  const caller = await pods.meshed('frontend');
  const [v1, v2] = [await pods.meshed('checkout'), await pods.meshed('checkout')];
  await v1.app.serve('v1', '::', 8080);
  await v2.app.serve('v2', '::', 8080);
  const outside = pods.plain();
  const stranger = await outside.startAgent();
  await stranger.serve('outside', '::', 80);
  pods.apply(
    serviceAt(
      'checkout',
      [CHECKOUT, `[${CHECKOUT6}]`],
      { v1: [`${v1.ipv4}:8080`], v2: [`${v2.ipv4}:8080`] },
      {
        routes: [
          {
            name: 'qa',
            match: [{ headers: [{ name: 'x-region', exact: 'us-east' }] }],
            split: [{ version: 'v2', weight: 1 }],
          },
          { name: 'default', split: [{ version: 'v1', weight: 1 }] },
        ],
      },
    ),
  );

  t.test('HTTP, by the address of a service, of both families', async (t) => {
    for (const url of [`http://${CHECKOUT}/`, `http://[${CHECKOUT6}]/`]) {
      t.match(JSON.parse((await caller.app.request(url)).body), { app: 'v1' }, url);
      const labelled = await caller.app.request(url, { 'x-region': 'us-east' });
      t.match(JSON.parse(labelled.body), { app: 'v2' }, 'routes hold');
    }
    const named = await caller.app.request(`http://${CHECKOUT}/`, { host: 'checkout' });
    t.match(JSON.parse(named.body), { app: 'v1' }, 'by its name');
  });

  t.test('the app is told who calls', async (t) => {
    const { headers } = JSON.parse((await caller.app.request(`http://${CHECKOUT}/`)).body);
    t.match(headers['x-forwarded-for'], new RegExp(caller.ipv4.replaceAll('.', '\\.')));
  });

  t.test('what no service declares goes where it was going', async (t) => {
    for (const host of [outside.ipv4, `[${outside.ipv6}]`])
      t.match(JSON.parse((await caller.app.request(`http://${host}/`)).body), { app: 'outside' });
  });

  t.test('a caller without a sidecar reaches the app through its sidecar', async (t) => {
    for (const host of [v1.ipv4, `[${v1.ipv6}]`]) {
      const answer = await stranger.request(`http://${host}:8080/`);
      const { app, headers } = JSON.parse(answer.body);
      t.equal(app, 'v1');
      t.match(headers.via ?? headers['x-forwarded-for'], /./, 'through the sidecar');
    }
  });

  t.test('probes and scrapes of other machines are answered', async (t) => {
    t.equal((await stranger.request(`http://${v1.ipv4}:15020/ready`)).status, 200);
    t.match((await stranger.request(`http://${v1.ipv4}:15020/metrics`)).body, 'roost_');
    t.equal(
      (await stranger.request(`http://${v1.ipv4}:15000/ready`)).body,
      'ECONNREFUSED',
      'not the admin port',
    );
  });

  t.test('an app calls itself by the address of its service', async (t) => {
    t.match(JSON.parse((await v1.app.request(`http://${CHECKOUT}/`)).body), { app: 'v1' });
  });
});
