import t from 'tap';
import { toJsonPatch } from '../../../../src/inject/edits.js';
import type { Owner } from '../../../../src/inject/identity.js';
import { injectPod } from '../../../../src/inject/inject-pod.js';
import type { Container, PodTemplate } from '../../../../src/inject/pod-schema.js';
import { defaultSettings } from '../../../../src/inject/settings.js';
import { uninjectPod } from '../../../../src/inject/uninject-pod.js';
import { formatProblem } from '../../../../src/model/problems.js';
import { applyJsonPatch } from '../../../support/json-patch.js';

const SETTINGS = defaultSettings('1.2.3');
const DEPLOYMENT: Owner = { kind: 'Deployment', name: 'checkout' };
const HOLD = { preStop: { sleep: { seconds: 8 } } };
const APP = { name: 'app', image: 'shop/checkout:1' };

interface Pod {
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly spec?: Record<string, unknown>;
}

function pod({ labels, annotations, spec }: Pod = {}) {
  return {
    metadata: { ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) },
    spec: { containers: [APP], ...spec },
  };
}

function inject(input: Pod, owner = DEPLOYMENT, settings = SETTINGS): PodTemplate {
  const template = pod(input);
  const outcome = injectPod(template, owner, settings);
  if (outcome.kind !== 'inject') throw new Error(JSON.stringify(outcome));
  const injected = structuredClone(template);
  applyJsonPatch(injected, toJsonPatch(outcome.edits));
  const restored = structuredClone(injected);
  applyJsonPatch(restored, toJsonPatch(uninjectPod(restored)));
  t.same(restored, template, 'uninject restores it');
  return injected as PodTemplate;
}

function refusal(input: Pod, owner = DEPLOYMENT, settings = SETTINGS): string[] {
  const outcome = injectPod(pod(input), owner, settings);
  return outcome.kind === 'refuse' ? outcome.problems.map(formatProblem) : [outcome.kind];
}

function skip(input: Pod): string {
  const outcome = injectPod(pod(input), DEPLOYMENT, SETTINGS);
  return outcome.kind === 'skip' ? outcome.reason : outcome.kind;
}

const named = (containers: PodTemplate['spec']['initContainers'], name: string) =>
  (containers ?? []).find((container) => container.name === name) as Container;
const argsOf = (container: Container) => container.args as string[];
const sidecarOf = (template: PodTemplate) => named(template.spec.initContainers, 'roost');
const envOf = (template: PodTemplate) =>
  Object.fromEntries(
    (sidecarOf(template).env as { name: string }[]).map(({ name, ...rest }) => [name, rest]),
  );

t.test('redirection and the native sidecar come before every other init container', async (t) => {
  const { spec } = inject({ spec: { initContainers: [{ name: 'migrate' }] } });
  t.same(
    spec.initContainers?.map(({ name }) => name),
    ['roost-redirect', 'roost', 'migrate'],
  );
  t.equal(named(spec.initContainers, 'roost').restartPolicy, 'Always');
  t.match(named(spec.initContainers, 'roost').startupProbe, { httpGet: { path: '/ready', port: 15020 } });
  t.same(spec.containers, [{ ...APP, lifecycle: HOLD }], 'the app is as it was, and held');
});

t.test('a classic sidecar is the first container, and redirection the last init container', async (t) => {
  const { spec } = inject({
    spec: { initContainers: [{ name: 'migrate' }] },
    annotations: { 'roost.dev/sidecar': 'container' },
  });
  t.same(
    spec.initContainers?.map(({ name }) => name),
    ['migrate', 'roost-redirect'],
    'migrate has the network as it is',
  );
  t.same(
    spec.containers.map(({ name }) => name),
    ['roost', 'app'],
  );
  const sidecar = named(spec.containers, 'roost');
  t.notOk('restartPolicy' in sidecar);
  t.notOk('startupProbe' in sidecar);
  t.match(
    JSON.stringify(sidecar.lifecycle),
    /postStart.*\/ready/,
    'the next container starts when it is ready',
  );
});

t.test(
  'the sidecar passes the profile restricted; only the redirect container has capabilities',
  async (t) => {
    const template = inject({});
    t.same(sidecarOf(template).securityContext, {
      runAsUser: 1337,
      runAsGroup: 1337,
      runAsNonRoot: true,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    });
    const redirect = named(template.spec.initContainers, 'roost-redirect').securityContext;
    t.match(redirect, {
      runAsUser: 0,
      runAsNonRoot: false,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_RAW'] },
    });
  },
);

t.test('annotations become flags of the two containers', async (t) => {
  const template = inject({
    annotations: {
      'roost.dev/exclude-inbound-ports': '9090, 9091',
      'roost.dev/exclude-outbound-ports': '5432',
      'roost.dev/exclude-outbound-cidrs': '10.8.0.0/16,fd00::/8',
      'roost.dev/opaque-ports': '6379',
      'roost.dev/log-level': 'debug',
      'roost.dev/access-log': 'all',
      'roost.dev/cpu-request': '50m',
      'roost.dev/cpu-limit': '2',
      'roost.dev/memory-request': '64Mi',
      'roost.dev/memory-limit': '1Gi',
      'other.example/annotation': 'stays',
    },
  });
  t.same(argsOf(named(template.spec.initContainers, 'roost-redirect')), [
    'redirect',
    'apply',
    '--uid=1337',
    '--exclude-inbound-ports=15020,9090,9091',
    '--exclude-outbound-ports=5432',
    '--exclude-outbound-cidrs=10.8.0.0/16,fd00::/8',
  ]);
  const sidecar = sidecarOf(template);
  for (const flag of [
    '--intercept',
    '--metrics=[::]:15020',
    '--opaque-ports=6379',
    '--log-level=debug',
    '--access-log=all',
  ])
    t.ok(argsOf(sidecar).includes(flag), flag);
  t.same(sidecar.resources, {
    requests: { cpu: '50m', memory: '64Mi' },
    limits: { cpu: '2', memory: '1Gi' },
  });
});

t.test('the service is that of the annotation, a common label or the workload', async (t) => {
  const service = (input: Pod) => (envOf(inject(input)).ROOST_SERVICE as { value: string }).value;
  t.equal(service({}), 'checkout.$(POD_NAMESPACE)');
  t.equal(service({ labels: { app: 'cart' } }), 'cart.$(POD_NAMESPACE)');
  t.equal(service({ labels: { app: 'cart', 'app.kubernetes.io/name': 'carts' } }), 'carts.$(POD_NAMESPACE)');
  t.equal(service({ labels: { app: 'Not_A_Service' } }), 'checkout.$(POD_NAMESPACE)');
  t.equal(
    service({ labels: { app: 'cart' }, annotations: { 'roost.dev/service': 'pay' } }),
    'pay.$(POD_NAMESPACE)',
  );
  const [problem = ''] = refusal({}, { kind: 'Deployment', name: 'Not.A.Service' });
  t.match(problem, /add the annotation roost\.dev\/service/);
});

t.test('the release is that of the annotation, the label version or the revision', async (t) => {
  const release = (input: Pod, kind = 'Deployment') =>
    envOf(inject(input, { kind, name: 'x' })).ROOST_RELEASE;
  const label = (name: string) => ({ valueFrom: { fieldRef: { fieldPath: `metadata.labels['${name}']` } } });
  t.same(release({ annotations: { 'roost.dev/release': 'v2' }, labels: { version: 'v1' } }), { value: 'v2' });
  t.same(release({ labels: { version: '1.4.2' } }), { value: '1.4.2' });
  t.same(release({}), label('pod-template-hash'));
  t.same(release({}, 'ReplicaSet'), label('pod-template-hash'));
  t.same(release({}, 'Rollout'), label('rollouts-pod-template-hash'));
  t.same(release({}, 'StatefulSet'), label('controller-revision-hash'));
  t.same(release({}, 'DaemonSet'), label('controller-revision-hash'));
  t.same(release({}, 'Job'), undefined);
});

t.test('TCP probes ask the sidecar whether the app listens; others stay', async (t) => {
  const probed = {
    ...APP,
    ports: [{ name: 'http', containerPort: 8080 }],
    startupProbe: { tcpSocket: { port: 'http' }, periodSeconds: 2 },
    livenessProbe: { tcpSocket: { port: 9000 } },
    readinessProbe: { httpGet: { path: '/healthz', port: 'http' } },
  };
  const others = {
    name: 'others',
    startupProbe: { exec: { command: ['true'] } },
    livenessProbe: { grpc: { port: 9090 } },
    readinessProbe: { tcpSocket: { port: 9999 } },
  };
  const elsewhere = { name: 'elsewhere', livenessProbe: { tcpSocket: { port: 1, host: '10.0.0.9' } } };
  const template = inject({
    spec: { containers: [probed, others, elsewhere] },
    annotations: { 'roost.dev/exclude-inbound-ports': '9999' },
  });
  const [app, second, third] = template.spec.containers;
  t.same(app?.startupProbe, { httpGet: { path: '/app-port/8080', port: 15020 }, periodSeconds: 2 });
  t.same(app?.livenessProbe, { httpGet: { path: '/app-port/9000', port: 15020 } });
  t.same(app?.readinessProbe, probed.readinessProbe);
  t.same(second, { ...others, lifecycle: HOLD }, 'exec, gRPC, and TCP on a port that is not redirected');
  t.same(third, { ...elsewhere, lifecycle: HOLD }, 'another host');
  t.ok(argsOf(sidecarOf(template)).includes('--tcp-probes=8080,9000'));
});

t.test('a drain ends before the kubelet kills the pod', async (t) => {
  const flags = (seconds?: number) =>
    argsOf(
      sidecarOf(inject({ spec: seconds === undefined ? {} : { terminationGracePeriodSeconds: seconds } })),
    ).filter((flag) => flag.includes('drain'));
  t.same(flags(), ['--drain-grace=8s']);
  t.same(flags(30), ['--drain-grace=8s']);
  t.same(flags(10), ['--drain-timeout=9s', '--drain-grace=3s']);
  t.same(flags(0), ['--drain-timeout=0s', '--drain-grace=0s']);
  const outcome = injectPod(pod({ spec: { terminationGracePeriodSeconds: 5 } }), DEPLOYMENT, SETTINGS);
  t.match(outcome, { kind: 'inject', warnings: [/terminationGracePeriodSeconds is 5/] });
});

t.test('a shared process namespace changes nothing', async (t) => {
  const shared = inject({ spec: { shareProcessNamespace: true } });
  t.same(sidecarOf(shared), sidecarOf(inject({})));
});

t.test('pods that cannot have a sidecar are left alone, and refused if they ask for one', async (t) => {
  const cases: [string, Record<string, unknown>, RegExp][] = [
    ['hostNetwork', { hostNetwork: true }, /hostNetwork/],
    ['Windows', { os: { name: 'windows' } }, /Windows/],
    ['Windows by selector', { nodeSelector: { 'kubernetes.io/os': 'windows' } }, /Windows/],
    ['Istio', { containers: [APP, { name: 'istio-proxy' }] }, /"istio-proxy" of Istio/],
    ['Linkerd, native', { initContainers: [{ name: 'linkerd-proxy' }] }, /"linkerd-proxy" of Linkerd/],
  ];
  for (const [name, spec, reason] of cases) {
    t.match(skip({ spec }), reason, name);
    const [problem = ''] = refusal({ spec, labels: { 'roost.dev/inject': 'enabled' } });
    t.match(problem, reason, `${name}: the reason`);
    t.match(problem, /^metadata\.labels\["roost\.dev\/inject"\]: asks for a sidecar/, `${name}: the field`);
  }
});

t.test('the label disabled leaves a pod alone whatever else it has', async (t) => {
  const labels = { 'roost.dev/inject': 'disabled' };
  t.match(skip({ labels }), /says disabled/);
  t.match(
    skip({ labels, annotations: { 'roost.dev/nonsense': '1' }, spec: { hostNetwork: true } }),
    /says disabled/,
  );
});

t.test('an injected pod is left alone', async (t) => {
  const template = inject({});
  t.match(injectPod(template, DEPLOYMENT, SETTINGS), { kind: 'skip', reason: /already/, surprising: false });
});

t.test('what stands in the way is refused by field, with the fix', async (t) => {
  const classic = { ...SETTINGS, mode: 'container' } as const;
  t.same(refusal({ spec: { containers: [{ ...APP, securityContext: { runAsUser: 1337 } }] } }), [
    'spec.containers[0].securityContext.runAsUser: is 1337, the user of the sidecar, so the calls of "app" would not be intercepted; use another user',
  ]);
  t.match(refusal({ spec: { securityContext: { runAsGroup: 1337 } } }), [
    /^spec\.securityContext\.runAsGroup: is 1337, the group of the sidecar/,
  ]);
  t.match(refusal({ spec: { securityContext: { runAsUser: 1337 } } }), [
    /^spec\.securityContext\.runAsUser: is 1337/,
  ]);
  t.match(
    refusal({
      spec: {
        securityContext: { runAsUser: 1337 },
        containers: [{ ...APP, securityContext: { runAsUser: 5 } }],
      },
    }),
    ['inject'],
    'the container decides',
  );
  t.match(refusal({ spec: { containers: [{ name: 'roost' }] } }), [
    /^spec\.containers\[0\]\.name: is "roost".*rename it/,
  ]);
  t.match(refusal({ spec: { containers: [{ ...APP, ports: [{ containerPort: 15006 }] }] } }), [
    /^spec\.containers\[0\]\.ports\[0\]\.containerPort: is 15006, which the sidecar listens on/,
  ]);
  for (const kind of ['Job', 'CronJob'])
    t.match(
      refusal({}, { kind, name: 'x' }, classic),
      [/would keep it running; use roost\.dev\/sidecar: native/],
      kind,
    );
  t.match(refusal({ spec: { restartPolicy: 'Never' } }, { kind: 'Pod', name: 'x' }, classic), [
    /^spec\.restartPolicy/,
  ]);
  t.match(refusal({ labels: { 'roost.dev/inject': 'true' } }), [/must be enabled or disabled; it is "true"/]);
});

t.test('an init container may run as the sidecar does, to call past it', async (t) => {
  const { spec } = inject({
    spec: { initContainers: [{ name: 'early', securityContext: { runAsUser: 1337 } }] },
  });
  t.equal(spec.initContainers?.length, 3);
});

t.test('what is not a pod is refused, not a crash', async (t) => {
  for (const input of [
    null,
    1,
    'pod',
    [],
    {},
    { spec: null },
    { spec: { containers: [] } },
    { spec: { containers: [1] } },
    { spec: { containers: {} } },
  ])
    t.equal(injectPod(input, DEPLOYMENT, SETTINGS).kind, 'refuse', JSON.stringify(input));
  t.match(refusal({ spec: { hostNetwork: 'yes' } }), [/^spec\.hostNetwork: expected boolean/]);
});

t.test('apps are held until callers use other pods, unless they have a hook of their own', async (t) => {
  const lifecycleOf = (container: object, more: Pod = {}) =>
    inject({ ...more, spec: { containers: [{ ...APP, ...container }], ...more.spec } }).spec.containers[0]
      ?.lifecycle;
  t.same(lifecycleOf({}), HOLD);
  const postStart = { exec: { command: ['true'] } };
  t.same(lifecycleOf({ lifecycle: { postStart } }), { postStart, ...HOLD });
  const own = { preStop: { exec: { command: ['own'] } } };
  t.same(lifecycleOf({ lifecycle: own }), own);
  t.same(lifecycleOf({}, { annotations: { 'roost.dev/hold-seconds': '0' } }), undefined);
  t.same(lifecycleOf({}, { annotations: { 'roost.dev/hold-seconds': '20' } }), {
    preStop: { sleep: { seconds: 20 } },
  });
  t.same(lifecycleOf({}, { spec: { terminationGracePeriodSeconds: 9 } }), {
    preStop: { sleep: { seconds: 3 } },
  });
  t.same(lifecycleOf({}, { spec: { terminationGracePeriodSeconds: 0 } }), undefined);
  t.same(lifecycleOf({}, { spec: { restartPolicy: 'Never' } }), undefined, 'a pod that ends by itself');
});

t.test('probes and hooks are those of their containers, wherever the sidecar is put', async (t) => {
  const probed = { ...APP, livenessProbe: { tcpSocket: { port: 80 } } };
  for (const mode of ['native', 'container']) {
    const { spec } = inject({
      annotations: { 'roost.dev/sidecar': mode },
      spec: {
        initContainers: [
          { name: 'helper', restartPolicy: 'Always', startupProbe: { tcpSocket: { port: 90 } } },
        ],
        containers: [probed],
      },
    });
    const asks = (port: number) => ({ httpGet: { path: `/app-port/${port}`, port: 15020 } });
    t.same(named(spec.containers, 'app'), { ...APP, livenessProbe: asks(80), lifecycle: HOLD }, mode);
    t.same(named(spec.initContainers, 'helper').startupProbe, asks(90), mode);
  }
});
