import { X509Certificate } from 'node:crypto';
import { INJECT_LABEL, SIDECAR_CONTAINER } from '../../inject/names.js';
import { KubeError, type KubeObject } from '../kube-client.js';
import {
  type CheckContext,
  type Finding,
  find,
  listAll,
  listAt,
  ok,
  textAt,
  warning,
  wrong,
} from './finding.js';

const KINDS = ['mutating', 'validating'] as const;
/** The control plane renews its authority 60 days before the end; a month late, something keeps it from doing so. */
const SOON_MS = 30 * 86_400_000;

const SEE_LOG = (namespace: string) =>
  `see "kubectl -n ${namespace} logs deployment/roost-control-plane", component "webhook"`;

/** The webhook configurations, and the certificates that the API server trusts. */
export async function checkWebhooks({ api, namespace, nowMs }: CheckContext): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const kind of KINDS) {
    const path = `/apis/admissionregistration.k8s.io/v1/${kind}webhookconfigurations/roost`;
    const configuration = await find(api, path);
    findings.push(
      ...(configuration === undefined ? [missing(kind)] : judge(configuration, kind, namespace, nowMs)),
    );
  }
  return findings;
}

function missing(kind: string): Finding {
  return wrong(
    `the ${kind} webhook configuration "roost" is missing`,
    'apply deploy/kubernetes/roost.yaml again',
  );
}

function judge(configuration: KubeObject, kind: string, namespace: string, nowMs: number): Finding[] {
  const webhooks = listAt(configuration, 'webhooks');
  const elsewhere = webhooks.find(
    (webhook) => textAt(webhook, 'clientConfig', 'service', 'namespace') !== namespace,
  );
  if (elsewhere !== undefined) {
    const other = textAt(elsewhere, 'clientConfig', 'service', 'namespace');
    return [
      wrong(
        `the ${kind} webhook "${textAt(elsewhere, 'name')}" calls namespace ${other || 'of no Service'}, not ${namespace}`,
        'remove the other installation, or check that one with --namespace',
      ),
    ];
  }
  const problems = webhooks.flatMap((webhook) => certificateProblems(webhook, namespace, nowMs));
  return problems.length > 0
    ? problems
    : [ok(`the API server has a valid authority for the ${kind} webhooks`)];
}

function certificateProblems(webhook: KubeObject, namespace: string, nowMs: number): Finding[] {
  const name = textAt(webhook, 'name');
  const bundle = Buffer.from(textAt(webhook, 'clientConfig', 'caBundle'), 'base64').toString();
  if (bundle === '')
    return [
      wrong(`the webhook ${name} has no caBundle: the control plane has not written it`, SEE_LOG(namespace)),
    ];
  const end = endOf(bundle);
  if (end === undefined)
    return [
      wrong(`the caBundle of ${name} is not a certificate`, 'remove it; the control plane writes it again'),
    ];
  const day = new Date(end).toISOString().slice(0, 10);
  if (end < nowMs) return [wrong(`the certificate authority of ${name} ended on ${day}`, SEE_LOG(namespace))];
  if (end < nowMs + SOON_MS)
    return [
      warning(`the certificate authority of ${name} ends on ${day} and was not renewed`, SEE_LOG(namespace)),
    ];
  return [];
}

/** Of the first certificate, which signs. */
function endOf(bundle: string): number | undefined {
  try {
    return Date.parse(new X509Certificate(bundle).validTo);
  } catch {
    // Not PEM: the caller says so.
    return undefined;
  }
}

/** Makes a pod with `dryRun`: the API server calls the webhook, and keeps nothing. */
export async function checkInjection({ api, namespace }: CheckContext): Promise<Finding[]> {
  const labelled = await listAll(
    api,
    `/api/v1/namespaces?labelSelector=${encodeURIComponent(`${INJECT_LABEL}=enabled`)}`,
  );
  const names = labelled.map((one) => textAt(one, 'metadata', 'name'));
  const target = names[0] ?? 'default';
  const asked =
    names.length > 0
      ? ok(`namespaces with ${INJECT_LABEL}=enabled: ${names.length}`)
      : warning(
          `no namespace has the label ${INJECT_LABEL}=enabled`,
          `label one: kubectl label namespace NAME ${INJECT_LABEL}=enabled`,
        );
  return [asked, await tryInjection(api, target, namespace)];
}

async function tryInjection(api: CheckContext['api'], target: string, namespace: string): Promise<Finding> {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: 'roost-check-',
      namespace: target,
      labels: { app: 'roost-check', [INJECT_LABEL]: 'enabled' },
    },
    spec: { containers: [{ name: 'app', image: 'roost-check' }] },
  };
  try {
    const made = await api.post(`/api/v1/namespaces/${target}/pods?dryRun=All`, pod);
    const containers = [...listAt(made, 'spec', 'initContainers'), ...listAt(made, 'spec', 'containers')];
    if (containers.some(({ name }) => name === SIDECAR_CONTAINER))
      return ok(`the webhook injects pods (tried in ${target}, without making one)`);
    return wrong(
      `the API server did not ask the webhook about a pod of namespace ${target}`,
      'apply deploy/kubernetes/roost.yaml again; with failurePolicy Ignore, the webhook may not answer: see the warnings of the API server',
    );
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    return refusedPod(error, target, namespace);
  }
}

function refusedPod({ message }: KubeError, target: string, namespace: string): Finding {
  if (/failed calling webhook/.test(message))
    return wrong(`the API server cannot reach the webhook: ${message}`, reachRemedy(message, namespace));
  if (/violates PodSecurity/.test(message))
    return wrong(
      `namespace ${target} refuses injected pods: ${message}`,
      `the redirect container needs NET_ADMIN: kubectl label --overwrite namespace ${target} pod-security.kubernetes.io/enforce=privileged`,
    );
  return warning(
    `injection could not be tried in ${target}: ${message}`,
    'ask as a user who may create pods there',
  );
}

function reachRemedy(message: string, namespace: string): string {
  if (/x509|certificate/.test(message))
    return `the certificate is not the one that the API server trusts: ${SEE_LOG(namespace)}`;
  if (/no endpoints|connection refused/.test(message))
    return `no control plane is ready: kubectl -n ${namespace} get pods`;
  return `let the API server reach port 15017 of the control plane's pods: firewalls, NetworkPolicy (kubectl -n ${namespace} get networkpolicy)`;
}
