import t from 'tap';
import { parse } from 'yaml';
import { Webhook } from '../../control-plane/webhook/webhook.js';
import { WEBHOOK_CONFIGURATIONS, WebhookIdentity } from '../../control-plane/webhook/webhook-identity.js';
import { defaultSettings } from '../../src/inject/settings.js';
import { checkInstallation } from '../../src/kubernetes/check/check-installation.js';
import type { KubeClient, KubeObject } from '../../src/kubernetes/kube-client.js';
import { splitHostPort } from '../../src/model/formats.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { VERSION } from '../../src/version.js';
import { API_SERVER, ApiServer, refusalOf } from '../support/api-server.js';
import { read } from '../support/documentation.js';
import { eventually } from '../support/processes.js';

/** `deploy/kubernetes/roost.yaml` in a real API server: the definition, the webhooks and the permissions as installed. */

const SECRET = { namespace: 'roost-system', name: 'roost-webhook' };
const CANARY = parse(read('examples/kubernetes/canary.yaml')) as KubeObject & { readonly spec: object };

t.test('Roost as installed', { skip: API_SERVER.skip }, async (t) => {
  const server = await ApiServer.start(t);
  const { admin } = server;
  await server.create(read('deploy/kubernetes/roost.yaml'));
  const account = await server.serviceAccount('roost-system', 'roost-control-plane');
  await admin.post('/api/v1/namespaces', {
    metadata: { name: 'shop', labels: { 'roost.dev/inject': 'enabled' } },
  });
  await serveWebhook(t, admin, account);

  const pod = (namespace: string, metadata: object, spec: object = {}) =>
    admin.post(`/api/v1/namespaces/${namespace}/pods`, {
      metadata: { generateName: 'a-', ...metadata },
      spec: { containers: [{ name: 'app', image: 'app' }], ...spec },
    });
  const initContainersOf = async (made: Promise<KubeObject>) =>
    ((await made).spec as { initContainers?: { name: string }[] }).initContainers?.map(({ name }) => name) ??
    [];
  const on = { labels: { 'roost.dev/inject': 'enabled' } };

  await t.test('pods get a sidecar where their labels ask for one', async (t) => {
    const both = ['roost-redirect', 'roost'];
    await eventually(
      'the API server knows the webhook',
      async () => (await initContainersOf(pod('shop', {}))).join() === both.join(),
    );
    t.same(await initContainersOf(pod('default', on)), both, 'by the label of the pod');
    t.same(await initContainersOf(pod('default', {})), []);
    t.same(await initContainersOf(pod('shop', { labels: { 'roost.dev/inject': 'disabled' } })), []);
    t.same(await initContainersOf(pod('kube-system', on)), [], 'never there');
    t.same(await initContainersOf(pod('roost-system', on)), [], 'never there');
  });

  await t.test('a pod with a wrong annotation or label is refused with the reason', async (t) => {
    const annotations = { 'roost.dev/opaque-ports': 'redis' };
    t.match(
      await refusalOf(pod('shop', { annotations })),
      /roost: metadata\.annotations\["roost\.dev\/opaque-ports"\]: expected ports/,
    );
    t.match(
      await refusalOf(pod('default', { labels: { 'roost.dev/inject': 'yes' } })),
      /must be enabled or disabled; it is "yes"/,
    );
  });

  await t.test('the definition takes a valid MeshService as it is', async (t) => {
    const made = await admin.post('/apis/roost.dev/v1alpha1/namespaces/shop/meshservices', CANARY);
    t.same(made.spec, CANARY.spec, 'nothing is added or dropped');
  });

  await t.test(
    'a wrong MeshService is refused by the definition or, in the words of roost apply, by the webhook',
    async (t) => {
      const change = (spec: object) =>
        refusalOf(
          admin.post('/apis/roost.dev/v1alpha1/namespaces/shop/meshservices?dryRun=All', {
            ...CANARY,
            metadata: { name: 'other', namespace: 'shop' },
            spec: { ...CANARY.spec, ...spec },
          }),
        );
      t.equal(await change({}), undefined);
      t.match(
        await change({ routes: [{ name: 'r', split: [{ version: 'v9', weight: 1 }] }] }),
        /spec\.routes\[0\]\.split\[0\]\.version: "v9" is not a version of this service; it has v1, v2/,
      );
      t.match(await change({ stable: 'v7' }), /stable must be the name of a version/);
      t.match(
        await change({ versions: [{ name: 'v1', dns: 'a:1', selector: { a: 'b' } }] }),
        /needs exactly one of endpoints, dns, selector/,
      );
      t.match(await change({ port: 70_000 }), /spec\.port/);
    },
  );

  await t.test('roost check finds the permissions and the definition in order', async (t) => {
    const findings = await checkInstallation({
      api: admin,
      namespace: 'roost-system',
      version: VERSION,
      nowMs: Date.now(),
    });
    const ok = findings.filter(({ level }) => level === 'ok').map(({ what }) => what);
    for (const expected of [
      /has native sidecars/,
      /definition of MeshService is in force/,
      /has the permissions/,
      /the webhook injects pods/,
    ])
      t.ok(
        ok.some((what) => expected.test(what)),
        String(expected),
      );
  });

  await t.test(
    'a permission that is missing is named, by the control plane and by roost check',
    async (t) => {
      const role = '/apis/rbac.authorization.k8s.io/v1/clusterroles/roost-control-plane';
      await admin.patch(role, [{ op: 'remove', path: '/rules/0' }]);
      const identity = new WebhookIdentity({
        api: account,
        secret: SECRET,
        dnsNames: ['localhost'],
        nowMs: Date.now,
      });
      await eventually('the role is in force', async () =>
        /mutatingwebhookconfigurations\.admissionregistration\.k8s\.io "roost" is forbidden/.test(
          (await refusalOf(identity.round())) ?? '',
        ),
      );
      const findings = await checkInstallation({
        api: admin,
        namespace: 'roost-system',
        version: VERSION,
        nowMs: Date.now(),
      });
      t.match(
        findings
          .filter(({ level }) => level === 'wrong')
          .map(({ what }) => what)
          .join('\n'),
        /the control plane may not get mutatingwebhookconfigurations "roost"/,
      );
    },
  );
});

/** As a control plane serves it, with the rights of its service account; called by URL, because no pod runs. */
async function serveWebhook(
  t: { teardown(end: () => unknown): void },
  admin: KubeClient,
  account: KubeClient,
): Promise<void> {
  const options = {
    address: { host: '127.0.0.1', port: 0 },
    files: undefined,
    secret: SECRET,
    host: 'localhost',
    inject: defaultSettings(VERSION),
  };
  const webhook = new Webhook(options, {
    log: createLogger('test', 'silent'),
    check: async () => [],
    api: async () => account,
  });
  t.teardown(() => webhook.close());
  await webhook.start();
  const port = splitHostPort(webhook.address)?.port;
  for (const path of WEBHOOK_CONFIGURATIONS) {
    const { webhooks } = (await admin.get(path)) as {
      webhooks: { clientConfig: { service: { path: string } } }[];
    };
    for (const [i, { clientConfig }] of webhooks.entries())
      await admin.patch(path, [
        {
          op: 'add',
          path: `/webhooks/${i}/clientConfig/url`,
          value: `https://localhost:${port}${clientConfig.service.path}`,
        },
        { op: 'remove', path: `/webhooks/${i}/clientConfig/service` },
      ]);
  }
}
