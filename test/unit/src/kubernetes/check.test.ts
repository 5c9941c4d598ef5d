import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { createAuthority } from '../../../../control-plane/webhook/certificates.js';
import { toJsonPatch } from '../../../../src/inject/edits.js';
import { injectPod } from '../../../../src/inject/inject-pod.js';
import { defaultSettings } from '../../../../src/inject/settings.js';
import { checkInstallation } from '../../../../src/kubernetes/check/check-installation.js';
import type { Finding } from '../../../../src/kubernetes/check/finding.js';
import { tagOf } from '../../../../src/kubernetes/check/installation.js';
import { REQUIRED_PERMISSIONS } from '../../../../src/kubernetes/check/permissions.js';
import { KubeError, type KubeObject } from '../../../../src/kubernetes/kube-client.js';
import { read } from '../../../support/documentation.js';
import { FakeKube } from '../../../support/fake-kube.js';
import { applyJsonPatch } from '../../../support/json-patch.js';

const NOW = Date.now();
const VERSION = '1.2.3';
const DAY_MS = 86_400_000;
const DEPLOYMENT = '/apis/apps/v1/namespaces/roost-system/deployments/roost-control-plane';
const CRD = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/meshservices.roost.dev';
const REVIEWS = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
const TRY = '/api/v1/namespaces/shop/pods?dryRun=All';
const hooks = (kind: string) => `/apis/admissionregistration.k8s.io/v1/${kind}webhookconfigurations/roost`;

function injected(name: string, version = VERSION): object {
  const pod = { metadata: { name, namespace: 'shop' }, spec: { containers: [{ name: 'app' }] } };
  const outcome = injectPod(pod, { kind: 'Pod', name }, defaultSettings(version));
  if (outcome.kind !== 'inject') throw new Error(outcome.kind);
  applyJsonPatch(pod, toJsonPatch(outcome.edits));
  const initContainerStatuses = [
    { name: 'roost-redirect', state: { terminated: { exitCode: 0 } } },
    { name: 'roost', ready: true },
  ];
  return { ...pod, status: { phase: 'Running', initContainerStatuses } };
}

function plain(name: string, more: object = {}): object {
  return {
    metadata: { name, namespace: 'shop' },
    spec: { containers: [{ name: 'app' }], ...more },
    status: { phase: 'Running' },
  };
}

function lease(node: string, ms: number): object {
  return { metadata: { name: node }, spec: { renewTime: new Date(ms).toISOString() } };
}

function webhookConfiguration(days = 365, namespace = 'roost-system'): object {
  const { cert } = createAuthority('ca', { nowMs: NOW, days });
  const clientConfig = { caBundle: Buffer.from(cert).toString('base64'), service: { namespace } };
  return { webhooks: [{ name: 'a.roost.dev', clientConfig }] };
}

/** An installation without a fault. */
function healthy(): FakeKube {
  const kube = new FakeKube();
  kube.set('/version', { minor: '33+', gitVersion: 'v1.33.2' });
  kube.set(DEPLOYMENT, {
    spec: { replicas: 2, template: { spec: { containers: [{ image: `registry:5000/roost:${VERSION}` }] } } },
    status: { readyReplicas: 2 },
  });
  kube.set(CRD, { status: { conditions: [{ type: 'Established', status: 'True' }] } });
  for (const kind of ['mutating', 'validating']) kube.set(hooks(kind), webhookConfiguration());
  const shop = { metadata: { name: 'shop', labels: { 'roost.dev/inject': 'enabled' } } };
  kube.set('/api/v1/namespaces', { items: [shop, { metadata: { name: 'other' } }] });
  kube.set('/api/v1/namespaces?labelSelector=roost.dev%2Finject%3Denabled', { items: [shop] });
  kube.set('/api/v1/pods', { items: [injected('a'), injected('b')] });
  kube.set(LEASES, { items: [lease('node-1', NOW - 8000)] });
  kube.answers.set(REVIEWS, (review) => ({ ...review, status: { allowed: true } }));
  kube.answers.set(TRY, () => injected('tried') as KubeObject);
  return kube;
}

async function findings(change: (kube: FakeKube) => void = () => undefined): Promise<Finding[]> {
  const kube = healthy();
  change(kube);
  const all = await checkInstallation({ api: kube, namespace: 'roost-system', version: VERSION, nowMs: NOW });
  return all.filter(({ level }) => level !== 'ok');
}

/** The only thing that is found. */
async function finding(change: (kube: FakeKube) => void): Promise<string> {
  const all = await findings(change);
  return all.map(({ level, what, remedy }) => `${level}: ${what} → ${remedy}`).join('\n');
}

const pods =
  (...items: object[]) =>
  (kube: FakeKube) =>
    kube.set('/api/v1/pods', { items });

t.test('nothing is found in an installation without a fault, and nothing is changed', async (t) => {
  t.same(await findings(), []);
  const kube = healthy();
  await checkInstallation({ api: kube, namespace: 'roost-system', version: VERSION, nowMs: NOW });
  t.same([...new Set(kube.changes)].sort(), [`POST ${REVIEWS}`, `POST ${TRY}`].sort());
});

t.test('versions', async (t) => {
  t.match(
    await finding((kube) => kube.set('/version', { minor: '28', gitVersion: 'v1.28.0' })),
    /^wrong: Kubernetes v1\.28\.0 lacks native sidecars or the hook sleep → upgrade to 1\.30/,
  );
  const older = (kube: FakeKube) =>
    kube.set(DEPLOYMENT, {
      spec: { replicas: 1, template: { spec: { containers: [{ image: 'roost:1.2.2' }] } } },
      status: { readyReplicas: 1 },
    });
  t.match(
    await finding(older),
    /^warning: the control plane runs roost:1\.2\.2, and this command is of version 1\.2\.3/,
  );
  for (const [image, tag] of [
    ['roost:1.2.3', '1.2.3'],
    ['r:5000/a/roost:v1@sha256:ab', 'v1'],
    ['r:5000/roost', ''],
    ['roost', ''],
  ])
    t.equal(tagOf(image ?? ''), tag, image ?? '');
});

t.test('the control plane and the definition', async (t) => {
  t.match(
    await finding((kube) => kube.objects.delete(DEPLOYMENT)),
    /^wrong: there is no Deployment .* → install it with .*roost\.yaml/,
  );
  const ready = (readyReplicas: number) => (kube: FakeKube) =>
    kube.set(DEPLOYMENT, {
      spec: { replicas: 2, template: { spec: { containers: [{ image: `roost:${VERSION}` }] } } },
      status: { readyReplicas },
    });
  t.match(await finding(ready(0)), /^wrong: 0 of 2 control planes are ready → see "kubectl/);
  t.match(await finding(ready(1)), /^warning: 1 of 2/);
  t.match(
    await finding((kube) => kube.objects.delete(CRD)),
    /^wrong: the definition of MeshService is missing/,
  );
  const broken = {
    status: { conditions: [{ type: 'NonStructuralSchema', status: 'True', message: 'spec.x: is wrong' }] },
  };
  t.match(await finding((kube) => kube.set(CRD, broken)), /not in force: spec\.x: is wrong/);
});

t.test('webhook configurations and their certificates', async (t) => {
  const mutating = (object: object) => (kube: FakeKube) => kube.set(hooks('mutating'), object);
  t.match(
    await finding((kube) => kube.objects.delete(hooks('validating'))),
    /^wrong: the validating webhook configuration "roost" is missing/,
  );
  t.match(
    await finding(mutating(webhookConfiguration(365, 'elsewhere'))),
    /calls namespace elsewhere, not roost-system → remove the other installation/,
  );
  t.match(
    await finding(mutating(webhookConfiguration(10))),
    /^warning: the certificate authority of a\.roost\.dev ends on \d{4}-\d\d-\d\d and was not renewed/,
  );
  t.match(
    await finding(mutating(webhookConfiguration(-1))),
    /^wrong: the certificate authority of a\.roost\.dev ended on/,
  );
  const withBundle = (caBundle: string) =>
    mutating({
      webhooks: [{ name: 'a.roost.dev', clientConfig: { caBundle, service: { namespace: 'roost-system' } } }],
    });
  t.match(
    await finding(withBundle('')),
    /has no caBundle: the control plane has not written it → see "kubectl -n roost-system logs/,
  );
  t.match(await finding(withBundle('eA==')), /is not a certificate/);
});

t.test('injection, tried by a pod that is not kept', async (t) => {
  const refuse = (message: string) => (kube: FakeKube) => kube.refusals.set(TRY, new KubeError(500, message));
  t.match(
    await finding((kube) => kube.answers.delete(TRY)),
    /^wrong: the API server did not ask the webhook/,
  );
  t.match(
    await finding(refuse('failed calling webhook "a": dial tcp 10.0.0.1:15017: connect: connection refused')),
    /cannot reach the webhook.* → no control plane is ready/,
  );
  t.match(
    await finding(refuse('failed calling webhook "a": tls: x509: certificate signed by unknown authority')),
    /→ the certificate is not the one that the API server trusts/,
  );
  t.match(
    await finding(refuse('failed calling webhook "a": context deadline exceeded')),
    /→ let the API server reach port 15017/,
  );
  t.match(
    await finding(refuse('pods "x" is forbidden: violates PodSecurity "restricted:latest"')),
    /→ the redirect container needs NET_ADMIN/,
  );
  t.match(await finding(refuse('pods is forbidden')), /^warning: injection could not be tried/);
  const nobody = (kube: FakeKube) => {
    kube.set('/api/v1/namespaces?labelSelector=roost.dev%2Finject%3Denabled', { items: [] });
    kube.answers.set('/api/v1/namespaces/default/pods?dryRun=All', () => injected('tried') as KubeObject);
  };
  t.match(await finding(nobody), /^warning: no namespace has the label/);
});

t.test('pods', async (t) => {
  t.match(
    await finding(pods(plain('x'))),
    /^wrong: 1 pod should have a sidecar and has none: shop\/x → .*rollout restart/,
  );
  t.equal(await finding(pods(plain('x', { hostNetwork: true }))), '', 'left alone on purpose');
  t.equal(await finding(pods({ ...plain('x'), status: { phase: 'Succeeded' } })), '', 'has ended');
  t.match(
    await finding(pods(injected('x', '1.2.2'), injected('y', '1.2.2'))),
    /^warning: 2 pods have a sidecar of another version than 1\.2\.3: shop\/x, shop\/y/,
  );
  const many = Array.from({ length: 9 }, (_, i) => plain(`p${i}`));
  t.match(await finding(pods(...many)), /9 pods .*shop\/p4 and 4 more/);
  const change = (
    edit: (pod: {
      spec: { initContainers: { name: string }[] };
      status: { initContainerStatuses: object[] };
    }) => void,
  ) => {
    const pod = structuredClone(injected('x')) as Parameters<typeof edit>[0];
    edit(pod);
    return pods(pod);
  };
  t.match(
    await finding(change(({ spec }) => spec.initContainers.shift())),
    /1 pod has a sidecar and no roost-redirect/,
  );
  t.match(
    await finding(
      change(({ status }) =>
        status.initContainerStatuses.splice(0, 1, {
          name: 'roost-redirect',
          state: { waiting: {} },
          lastState: { terminated: { exitCode: 1 } },
        }),
      ),
    ),
    /cannot write the redirect rules: shop\/x → .*NET_ADMIN/,
  );
  t.match(
    await finding(
      change(({ status }) => status.initContainerStatuses.splice(1, 1, { name: 'roost', ready: false })),
    ),
    /1 pod has a sidecar that is not ready: shop\/x → see "kubectl logs POD -c roost"/,
  );
});

t.test('clocks', async (t) => {
  const leases =
    (...items: object[]) =>
    (kube: FakeKube) =>
      kube.set(LEASES, { items });
  t.match(
    await finding(leases(lease('n1', NOW + 30_000))),
    /^warning: the clocks of nodes are ahead of this machine's: n1 → synchronize/,
  );
  t.match(
    await finding(leases(lease('n1', NOW - DAY_MS))),
    /^warning: nodes have not reported for a minute, or their clocks are behind: n1/,
  );
});

t.test('permissions are those that the manifest grants', async (t) => {
  const deny = (kube: FakeKube) =>
    kube.answers.set(REVIEWS, (review) => {
      const { verb } = (review.spec as { resourceAttributes: { verb: string } }).resourceAttributes;
      return { ...review, status: { allowed: verb !== 'patch' } };
    });
  t.match(
    await finding(deny),
    /^wrong: the control plane may not patch mutatingwebhookconfigurations "roost", patch validating/,
  );
  const granted = parseAllDocuments(read('deploy/kubernetes/roost.yaml'))
    .map((document) => document.toJS())
    .filter((object) => object?.kind === 'Role' || object?.kind === 'ClusterRole')
    .flatMap(({ kind, rules }) => rules.map((rule: object) => ({ ...rule, own: kind === 'Role' })))
    .flatMap(({ apiGroups, resources, resourceNames, verbs, own }) =>
      resources.flatMap((resource: string) =>
        verbs.map((verb: string) => ({
          group: apiGroups[0],
          resource,
          name: resourceNames?.[0],
          verb,
          ...(own && { own }),
        })),
      ),
    );
  const sorted = (list: readonly object[]) =>
    list.map((one) => JSON.stringify(one, Object.keys(one).sort())).sort();
  t.same(sorted(REQUIRED_PERMISSIONS), sorted(granted));
});

t.test('what this user may not see is a warning, and the rest is checked', async (t) => {
  const text = await finding((kube) => {
    kube.refusals.set('/api/v1/pods', new KubeError(403, 'pods is forbidden'));
    kube.refusals.set(LEASES, new KubeError(500, 'boom'));
  });
  t.equal(
    text,
    [
      'warning: not checked: pods (pods is forbidden) → ask as a user who may read that, such as a cluster-admin',
      'wrong: not checked: clocks: the API server answered 500: boom → try again; see the log of the API server',
    ].join('\n'),
  );
});
