import { readFileSync } from 'node:fs';
import t from 'tap';
import { parse, parseAllDocuments } from 'yaml';
import { redirectContainer, sidecarContainer } from '../../../src/inject/containers.js';
import { injectManifest } from '../../../src/inject/manifest.js';
import { CONTROL_PLANE_ADDRESS, defaultSettings } from '../../../src/inject/settings.js';
import { meshServiceCrd } from '../../../src/kubernetes/mesh-service-crd.js';
import { installFile } from '../../../src/kubernetes/write-manifests.js';
import { parseMeshService } from '../../../src/model/mesh-service.js';
import { ROOT, read } from '../../support/documentation.js';
import { findPeer } from '../../support/peers.js';
import { roost } from '../../support/processes.js';

/** `deploy/kubernetes/roost.yaml` and the chart that it is made from agree with each other and with the code. */

interface Selector {
  readonly matchExpressions?: readonly Rule[];
}

interface Rule {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

interface WebhookEntry {
  readonly name: string;
  readonly clientConfig: { readonly service: object };
  readonly namespaceSelector: Selector;
  readonly objectSelector: Selector;
  readonly failurePolicy: string;
  readonly timeoutSeconds: number;
  readonly sideEffects: string;
}

type Labels = Readonly<Record<string, string>>;

interface PodTemplate {
  readonly metadata: { readonly labels: Labels };
  readonly spec: {
    readonly securityContext: object;
    readonly containers: readonly {
      readonly image: string;
      readonly args: readonly string[];
      readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
      readonly securityContext: object;
    }[];
  };
}

/** The fields that these tests read, of any kind. */
interface KubeObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly rules: readonly object[];
  readonly webhooks: readonly WebhookEntry[];
  readonly spec: {
    readonly template: PodTemplate;
    readonly selector: Labels & { readonly matchLabels: Labels };
    readonly ports: readonly { readonly name: string; readonly port: number; readonly targetPort: string }[];
  };
}

const text = read('deploy/kubernetes/roost.yaml');
const objects: readonly KubeObject[] = parseAllDocuments(text)
  .map((document) => document.toJS())
  .filter((object) => object !== null);
const all = (kind: string) => objects.filter((object) => object.kind === kind);
const only = (kind: string): KubeObject => {
  const [object, ...others] = all(kind);
  if (object === undefined || others.length > 0) throw new Error(`one ${kind}`);
  return object;
};
const { version } = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8')) as { version: string };
const pod = only('Deployment').spec.template;
const container = pod.spec.containers[0] as PodTemplate['spec']['containers'][number];
const { args } = container;
const flag = (name: string) => args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);

const helm = findPeer('HELM', 'helm');
t.test(
  'the manifest is what the chart gives',
  { skip: helm.path === undefined && 'helm is not on PATH and HELM does not say where it is' },
  async (t) => {
    t.equal(text, installFile(helm.path ?? ''), 'run npm run manifests');
  },
);

t.test('everything that is namespaced is in roost-system, the first object', async (t) => {
  t.match(objects[0], { kind: 'Namespace', metadata: { name: 'roost-system' } });
  for (const kind of [
    'Deployment',
    'Service',
    'ServiceAccount',
    'Secret',
    'Role',
    'RoleBinding',
    'PodDisruptionBudget',
    'NetworkPolicy',
  ])
    t.equal(only(kind).metadata.namespace, 'roost-system', kind);
});

t.test('the definition of MeshService is in it', async (t) => {
  t.same(only('CustomResourceDefinition'), meshServiceCrd());
});

async function unknownArguments(argv: readonly string[]): Promise<string[]> {
  const verbs = argv.filter((arg) => !arg.startsWith('--'));
  const { code, stdout } = await roost([...verbs, '--help']);
  if (code !== 0) return [verbs[0] ?? ''];
  const known = new Set([...stdout.matchAll(/--[\w-]+/g)].map(([name]) => name));
  return argv
    .filter((arg) => arg.startsWith('--'))
    .map((arg) => arg.split('=')[0] as string)
    .filter((name) => !known.has(name));
}

t.test('every flag that a container is started with is one of its command', async (t) => {
  const plan = {
    settings: defaultSettings(version),
    options: {
      excludeOutboundPorts: [1],
      excludeOutboundCidrs: ['10.0.0.0/8'],
      opaquePorts: [1],
      logLevel: 'info',
      accessLog: 'all',
    },
    mode: 'native',
    service: 'a',
    release: undefined,
    probedPorts: [80],
    holdSeconds: 1,
    terminationGracePeriodSeconds: 5,
  } as const;
  const injected = [redirectContainer(plan), sidecarContainer(plan)] as { args: string[] }[];
  for (const argv of [args, ...injected.map((one) => one.args)]) {
    const unknown = await unknownArguments(argv);
    t.same(unknown, [], argv.join(' '));
  }
});

t.test('ports agree: flags, container, Service, webhooks, injected sidecars', async (t) => {
  const ports = Object.fromEntries(container.ports.map((port) => [port.name, port.containerPort]));
  t.same(ports, { grpc: 15010, http: 15014, webhook: 15017 });
  for (const name of ['grpc', 'http', 'webhook']) t.equal(flag(name), `0.0.0.0:${ports[name]}`);
  const service = only('Service');
  for (const { name, port, targetPort } of service.spec.ports) {
    t.equal(port, ports[name]);
    t.equal(targetPort, name);
  }
  t.equal(`${service.metadata.name}.${service.metadata.namespace}.svc:${ports.grpc}`, CONTROL_PLANE_ADDRESS);
  t.equal(flag('sidecar-control-plane'), CONTROL_PLANE_ADDRESS);
  t.equal(`${flag('webhook-host')}:${ports.grpc}`, CONTROL_PLANE_ADDRESS);
  for (const { clientConfig } of webhooks())
    t.match(clientConfig.service, {
      name: service.metadata.name,
      namespace: 'roost-system',
      port: ports.webhook,
    });
  t.same(service.spec.selector, only('Deployment').spec.selector.matchLabels);
  t.match(pod.metadata.labels, service.spec.selector);
});

function webhooks(): WebhookEntry[] {
  return [
    ...only('MutatingWebhookConfiguration').webhooks,
    ...only('ValidatingWebhookConfiguration').webhooks,
  ];
}

t.test('the image is the same everywhere, of this version', async (t) => {
  t.equal(container.image, `roost:${version}`);
  t.equal(flag('sidecar-image'), container.image);
  t.match(read('docs/kubernetes.md'), `docker build -t ${container.image} .`);
  t.equal(defaultSettings(version).image, container.image);
  const chart = parse(read('deploy/helm/roost/Chart.yaml'));
  t.same([chart.version, chart.appVersion], [version, version]);
});

t.test('the control plane may do what it does, and nothing else', async (t) => {
  const verbs = ['list', 'watch'];
  t.same(only('ClusterRole').rules, [
    { apiGroups: [''], resources: ['services', 'pods'], verbs },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs },
    { apiGroups: ['roost.dev'], resources: ['meshservices'], verbs },
    {
      apiGroups: ['admissionregistration.k8s.io'],
      resources: ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'],
      resourceNames: ['roost'],
      verbs: ['get', 'patch'],
    },
  ]);
  t.same(only('Role').rules, [
    { apiGroups: [''], resources: ['secrets'], resourceNames: ['roost-webhook'], verbs: ['get', 'update'] },
  ]);
  t.equal(flag('webhook-secret'), 'roost-system/roost-webhook');
  t.equal(only('Secret').metadata.name, 'roost-webhook');
});

t.test('the control plane passes the profile restricted, and has no sidecar', async (t) => {
  t.match(pod.spec.securityContext, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
  t.match(container.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  t.equal(pod.metadata.labels['roost.dev/inject'], 'disabled');
});

t.test('the cluster and Roost can start while Roost is down', async (t) => {
  for (const { name, namespaceSelector, objectSelector, failurePolicy, timeoutSeconds, sideEffects } of only(
    'MutatingWebhookConfiguration',
  ).webhooks) {
    t.equal(failurePolicy, 'Fail', name);
    t.ok(timeoutSeconds <= 10 && sideEffects === 'None');
    const excluded = namespaceSelector.matchExpressions?.find(
      (rule: { key: string }) => rule.key === 'kubernetes.io/metadata.name',
    );
    t.equal(excluded?.operator, 'NotIn');
    for (const namespace of ['kube-system', 'roost-system'])
      t.ok(excluded?.values?.includes(namespace), namespace);
    const rules = [...(namespaceSelector.matchExpressions ?? []), ...(objectSelector.matchExpressions ?? [])];
    const asked = rules.some(
      ({ key, operator }) => key === 'roost.dev/inject' && ['In', 'Exists'].includes(operator),
    );
    t.ok(asked, 'pods that nobody asked to inject are not sent');
  }
});

t.test('every pod is seen by at most one of the two webhooks, as its labels ask', async (t) => {
  const matches = ({ matchExpressions = [] }: Selector, labels: Labels) =>
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels[key];
      if (operator === 'Exists') return value !== undefined;
      return operator === 'In'
        ? value !== undefined && values.includes(value)
        : value === undefined || !values.includes(value);
    });
  const seenBy = (namespace: Labels, labels: Labels) =>
    only('MutatingWebhookConfiguration').webhooks.filter(
      (hook) => matches(hook.namespaceSelector, namespace) && matches(hook.objectSelector, labels),
    ).length;
  const on = { 'roost.dev/inject': 'enabled' };
  const off = { 'roost.dev/inject': 'disabled' };
  const named = (name: string) => ({ 'kubernetes.io/metadata.name': name });
  t.equal(seenBy({ ...named('shop'), ...on }, {}), 1);
  t.equal(seenBy({ ...named('shop'), ...on }, on), 1);
  t.equal(seenBy({ ...named('shop'), ...on }, off), 0);
  t.equal(seenBy({ ...named('shop'), ...on }, { 'roost.dev/inject': 'yes' }), 1, 'to be refused');
  t.equal(seenBy(named('shop'), {}), 0);
  t.equal(seenBy(named('shop'), on), 1);
  t.equal(seenBy({ ...named('shop'), ...off }, on), 1, 'the pod wins');
  t.equal(seenBy({ ...named('kube-system'), ...on }, on), 0);
});

t.test('the example of docs/kubernetes.md is injected and its canary is valid', async (t) => {
  const { objects: outcomes, problems } = injectManifest(
    read('examples/kubernetes/checkout.yaml'),
    defaultSettings(version),
  );
  t.same(problems, []);
  const injected = outcomes.filter(({ outcome }) => outcome === 'injected').map(({ title }) => title);
  t.same(injected, ['Deployment shop/checkout-v1', 'Deployment shop/checkout-v2', 'Pod shop/caller']);
  t.equal(parseMeshService(parse(read('examples/kubernetes/canary.yaml'))).name, 'checkout');
});
