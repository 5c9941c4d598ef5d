import t, { type Test } from 'tap';
import { BACKENDS } from '../../../src/redirect/redirect-rules.js';
import { NetworkNamespaces, whyNoNamespaces } from '../../support/network-namespaces.js';
import { ROOST } from '../../support/processes.js';
import { applyRedirect, redirect } from '../../support/redirect-settings.js';

/** What `roost redirect` does to real connections. The programs on the sidecar's ports only say which they are. */

// Processes in network namespaces, one after the other: no limit for a machine that is busy.
t.setTimeout(120_000);

const skip = whyNoNamespaces();
const SIDECAR = { uid: 1337, gid: 1337 };
/** An address behind the gateway: nothing is there. */
const SERVICE = '10.96.0.10';

/** A pod with an app and what stands for its sidecar, and another pod. */
async function twoPods(t: Test) {
  const namespaces = NetworkNamespaces.create(t);
  const [pod, peer] = [namespaces.addPod(), namespaces.addPod()];
  const [app, sidecar, other] = [
    await pod.startAgent({ uid: 1000, gid: 1000 }),
    await pod.startAgent(SIDECAR),
    await peer.startAgent(),
  ];
  await sidecar.listen('outbound', '::', 15001);
  await sidecar.listen('inbound', '::', 15006);
  await sidecar.listen('admin', '::', 15000);
  await app.listen('app', '::', 8080);
  await app.listen('metrics', '::', 15020);
  for (const port of [80, 53, 5432]) await other.listen(`peer:${port}`, '::', port);
  return { pod, peer, app, sidecar, other };
}

for (const backend of BACKENDS)
  t.test(`connections are redirected by ${backend}`, { skip }, async (t) => {
    const { pod, peer, app, sidecar, other } = await twoPods(t);
    await app.hold(peer.ipv4, 80);
    applyRedirect(t, pod, '--backend', backend, '--exclude-outbound-ports', '5432');

    t.test('those of the app to others, and of others to the app', async (t) => {
      for (const address of [peer.ipv4, peer.ipv6, SERVICE, 'fd99::1'])
        t.match(await app.connect(address, 80), /^outbound /, address);
      for (const address of [pod.ipv4, pod.ipv6]) t.match(await other.connect(address, 8080), /^inbound /);
      t.match(await other.connect(pod.ipv4, 8081), /^inbound /, 'whether or not the app listens');
    });

    t.test('not those of the sidecar, by its user or by its group', async (t) => {
      const groupOnly = await pod.startAgent({ uid: 1000, gid: SIDECAR.gid });
      const userOnly = await pod.startAgent({ uid: SIDECAR.uid, gid: 1000 });
      for (const agent of [sidecar, groupOnly, userOnly])
        for (const address of [peer.ipv4, peer.ipv6]) t.match(await agent.connect(address, 80), /^peer:80 /);
    });

    t.test('not those to the own machine, so that neither app nor sidecar meets itself', async (t) => {
      for (const address of [pod.ipv4, pod.ipv6, '127.0.0.1', '::1'])
        for (const agent of [app, sidecar]) t.match(await agent.connect(address, 8080), /^app /, address);
    });

    t.test('not those to excluded ports, nor DNS', async (t) => {
      t.match(await app.connect(peer.ipv4, 5432), /^peer:5432 /);
      t.match(await app.connect(peer.ipv6, 53), /^peer:53 /, 'DNS over TCP');
      await other.answerDatagrams('name server', '::', 53);
      t.equal(await app.datagram(peer.ipv4, 53), 'name server');
      t.match(await other.connect(pod.ipv4, 15020), /^metrics /);
    });

    t.test(
      'the ports of the sidecar are closed to others, and its inbound port is not redirected',
      async (t) => {
        for (const port of [15000, 15001])
          t.equal(await other.connect(pod.ipv4, port), 'ECONNREFUSED', `${port}`);
        t.match(await other.connect(pod.ipv4, 15006), /^inbound /);
        t.match(await app.connect('127.0.0.1', 15000), /^admin /, 'the app reaches them');
      },
    );

    t.test('not those that were there before', async (t) => t.equal(await app.again(), 'again'));
  });

for (const backend of BACKENDS)
  t.test(`every exclusion holds with ${backend}, and is shown`, { skip }, async (t) => {
    const { pod, peer, app, other } = await twoPods(t);
    const ranges = ['--exclude-outbound-cidrs', `${peer.ipv4},fd77::/64`];
    applyRedirect(t, pod, '--backend', backend, ...ranges, '--exclude-inbound-ports', '8080');
    for (const address of [peer.ipv4, peer.ipv6])
      t.match(await app.connect(address, 80), /^peer:80 /, address);
    t.match(await app.connect(SERVICE, 80), /^outbound /);
    t.match(await other.connect(pod.ipv4, 8080), /^app /);
    t.match(await other.connect(pod.ipv4, 15020), /^inbound /, 'the list replaces the default');
    const shown = JSON.parse(redirect(pod, 'show', '-o', 'json').stdout);
    t.match(shown, {
      inForce: true,
      complete: true,
      backend,
      excludeInboundPorts: [8080],
      uid: 1337,
      gid: 1337,
    });
    t.same(new Set(shown.excludeOutboundCidrs), new Set([`${peer.ipv4}/32`, 'fd77::/64']));

    applyRedirect(t, pod, '--backend', backend, '--exclude-interfaces', 'eth0,wg0');
    t.match(await app.connect(peer.ipv4, 80), /^peer:80 /);
    t.match(await other.connect(pod.ipv4, 8080), /^app /);
    t.match(JSON.parse(redirect(pod, 'show', '-o', 'json').stdout), { excludeInterfaces: ['eth0', 'wg0'] });
    applyRedirect(t, pod, '--backend', backend, '--exclude-outbound-cidrs', '0.0.0.0/0,::/0');
    for (const address of [peer.ipv4, peer.ipv6])
      t.match(await app.connect(address, 80), /^peer:80 /, address);
  });

t.test('rules are replaced by a second run and removed without a trace', { skip }, async (t) => {
  const pod = NetworkNamespaces.create(t).addPod();
  pod.run(['iptables', '-t', 'nat', '-A', 'OUTPUT', '-p', 'tcp', '--dport', '9', '-j', 'ACCEPT']);
  const saved = () => pod.run(['iptables-save']).stdout.replace(/^#.*\n|\[\d+:\d+\]/gm, '');
  const rules = () => `${pod.run(['nft', 'list', 'ruleset']).stdout}`;
  const before = saved();
  applyRedirect(t, pod, '--backend', 'iptables');
  const once = saved();
  applyRedirect(t, pod, '--backend', 'iptables');
  t.equal(saved(), once, 'iptables');
  applyRedirect(t, pod, '--backend', 'nftables');
  t.notMatch(saved(), 'ROOST', 'the rules of the other program are gone');
  const nft = rules();
  applyRedirect(t, pod);
  t.equal(rules(), nft, 'nftables, which is the default');
  t.equal(redirect(pod, 'remove').stdout, 'redirect rules removed\n');
  t.notMatch(rules(), /roost/i);
  t.match(
    saved(),
    before
      .trim()
      .split('\n')
      .find((line) => line.includes('--dport 9')) as string,
  );
  t.equal(redirect(pod, 'remove').stdout, 'no redirect rules were in force\n');
  t.equal(redirect(pod, 'show').stdout, 'no redirect rules are in force\n');
  t.same(JSON.parse(redirect(pod, 'show', '-o', 'json').stdout), { inForce: false });
});

t.test('rules of which a part is missing are told from rules in force', { skip }, async (t) => {
  const pod = NetworkNamespaces.create(t).addPod();
  applyRedirect(t, pod);
  pod.run(['nft', 'flush', 'chain', 'inet', 'roost', 'outbound']);
  const { code, stderr } = redirect(pod, 'show');
  t.equal(code, 1);
  t.match(stderr, 'the redirect rules (nftables) are not complete; run "roost redirect apply"');
  t.match(JSON.parse(redirect(pod, 'show', '-o', 'json').stdout), { inForce: true, complete: false });
});

t.test('a user without rights is told what is missing', { skip }, async (t) => {
  const pod = NetworkNamespaces.create(t).addPod();
  const asUser = [
    'setpriv',
    '--reuid=1000',
    '--regid=1000',
    '--clear-groups',
    process.execPath,
    ROOST,
    'redirect',
  ];
  for (const verb of ['apply', 'show', 'remove']) {
    const { code, stderr } = pod.run([...asUser, verb]);
    t.equal(code, 1);
    t.match(stderr, 'redirect rules need root or the capability CAP_NET_ADMIN');
  }
});
