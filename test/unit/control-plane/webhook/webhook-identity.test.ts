import { X509Certificate } from 'node:crypto';
import t from 'tap';
import {
  isConflict,
  WEBHOOK_CONFIGURATIONS,
  WebhookIdentity,
} from '../../../../control-plane/webhook/webhook-identity.js';
import { KubeError } from '../../../../src/kubernetes/kube-client.js';
import { FakeKube } from '../../../support/fake-kube.js';

const SECRET = '/api/v1/namespaces/roost-system/secrets/roost-webhook';
const DAY_MS = 86_400_000;

function world() {
  const kube = new FakeKube();
  kube.set(SECRET, { metadata: { name: 'roost-webhook' } });
  for (const path of WEBHOOK_CONFIGURATIONS)
    kube.set(path, {
      webhooks: [
        { name: 'a', clientConfig: {} },
        { name: 'b', clientConfig: {} },
      ],
    });
  const clock = { nowMs: Date.now() };
  const replica = () =>
    new WebhookIdentity({
      api: kube,
      secret: { namespace: 'roost-system', name: 'roost-webhook' },
      dnsNames: ['roost.svc'],
      nowMs: () => clock.nowMs,
    });
  return { kube, clock, replica };
}

/** What the API server trusts, of each webhook. */
async function bundles(kube: FakeKube): Promise<X509Certificate[][]> {
  const all = await Promise.all(WEBHOOK_CONFIGURATIONS.map((path) => kube.get(path)));
  return all
    .flatMap(({ webhooks }) => webhooks as { clientConfig: { caBundle: string } }[])
    .map(({ clientConfig }) =>
      Buffer.from(clientConfig.caBundle, 'base64')
        .toString()
        .split(/(?=-----BEGIN)/)
        .map((cert) => new X509Certificate(cert)),
    );
}

async function isTrusted(kube: FakeKube, cert: string): Promise<boolean> {
  const leaf = new X509Certificate(cert);
  return (await bundles(kube)).every((bundle) =>
    bundle.some((ca) => leaf.checkIssued(ca) && leaf.verify(ca.publicKey)),
  );
}

t.test(
  'the first replica makes an authority, the others sign with it, and every caBundle has it',
  async (t) => {
    const { kube, replica } = world();
    const [first, second] = [await replica().round(), await replica().round()];
    t.not(first.cert, second.cert, 'each has a key of its own');
    t.ok(await isTrusted(kube, first.cert));
    t.ok(await isTrusted(kube, second.cert));
    t.equal(kube.changes.filter((change) => change.startsWith('PUT')).length, 1);
  },
);

t.test('a round that finds everything in place changes nothing', async (t) => {
  const { kube, replica } = world();
  const identity = replica();
  const { cert } = await identity.round();
  kube.changes.length = 0;
  t.equal((await identity.round()).cert, cert);
  t.same(kube.changes, []);
});

t.test('a replica that was second in writing takes what the first has written', async (t) => {
  const { kube, replica } = world();
  const [slow, fast] = [replica(), replica()];
  const { get } = kube;
  kube.get = async (path) => {
    const stale = await get.call(kube, path);
    kube.get = get;
    await fast.round();
    return stale;
  };
  const lost = await slow.round().catch((error: unknown) => error);
  t.ok(isConflict(lost), 'which is no failure');
  t.ok(await isTrusted(kube, (await slow.round()).cert));
});

t.test('a certificate is renewed at half of its life', async (t) => {
  const { clock, replica } = world();
  const identity = replica();
  const { cert } = await identity.round();
  clock.nowMs += 14 * DAY_MS;
  t.equal((await identity.round()).cert, cert);
  clock.nowMs += 2 * DAY_MS;
  t.not((await identity.round()).cert, cert);
});

t.test('at every moment of a change of authority, what replicas serve is trusted', async (t) => {
  const { kube, clock, replica } = world();
  const replicas = [replica(), replica()];
  const served = new Map<number, string>();
  const issuers = new Set<string>();
  for (let day = 0; day < 800; day += 5) {
    for (const [i, identity] of replicas.entries()) {
      served.set(i, (await identity.round()).cert);
      for (const cert of served.values()) {
        t.ok(await isTrusted(kube, cert), `day ${day}`);
        t.ok(Date.parse(new X509Certificate(cert).validTo) > clock.nowMs, `valid on day ${day}`);
      }
    }
    const [bundle = []] = await bundles(kube);
    issuers.add(bundle[0]?.serialNumber ?? '');
    t.ok(bundle.length <= 3);
    for (const ca of bundle) t.ok(Date.parse(ca.validTo) > clock.nowMs, 'what has ended leaves the bundle');
    clock.nowMs += 5 * DAY_MS;
  }
  t.ok(issuers.size >= 3, 'the authority did change');
});

t.test('a Secret that somebody has edited is replaced', async (t) => {
  const { kube, replica } = world();
  kube.set(SECRET, { data: { 'ca.crt': 'bm90IFBFTQ==', 'ca.key': 'eA==', other: 'c3RheXM=' } });
  t.ok(await isTrusted(kube, (await replica().round()).cert));
  t.equal(((await kube.get(SECRET)).data as { other: string }).other, 'c3RheXM=');
});

t.test('what the API server refuses is told in its words', async (t) => {
  const { kube, replica } = world();
  kube.refusals.set(SECRET, new KubeError(403, 'secrets "roost-webhook" is forbidden'));
  await t.rejects(replica().round(), new KubeError(403, 'secrets "roost-webhook" is forbidden'));
});
