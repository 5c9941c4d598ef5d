import { injectPod } from '../../inject/inject-pod.js';
import {
  INJECT_LABEL,
  REDIRECT_CONTAINER,
  SIDECAR_CONTAINER,
  STATUS_ANNOTATION,
} from '../../inject/names.js';
import { defaultSettings } from '../../inject/settings.js';
import { parseStatus } from '../../inject/status.js';
import type { KubeObject } from '../kube-client.js';
import {
  at,
  type CheckContext,
  type Finding,
  listAll,
  listAt,
  namesOf,
  ok,
  textAt,
  warning,
  wrong,
} from './finding.js';

/** What is wrong with one pod's sidecar. */
type Fault = 'without' | 'old' | 'no redirect' | 'redirect failed' | 'not ready';

/** The pods that should have a sidecar, and the state of those that they have. */
export async function checkPods(context: CheckContext): Promise<Finding[]> {
  const { api, version } = context;
  const namespaces = await listAll(api, '/api/v1/namespaces');
  const enabled = new Set(namespaces.filter(asksForSidecars).map((one) => textAt(one, 'metadata', 'name')));
  const pods = (await listAll(api, '/api/v1/pods')).filter(isAlive);
  const meshed = pods.filter((pod) => isInjected(pod) || shouldBeInjected(pod, enabled));
  if (meshed.length === 0) return [ok('no pod has, or should have, a sidecar')];
  const faults = groupFaults(meshed, version);
  const findings = [...faults].map(([fault, names]) => describe(fault, names, version));
  return findings.length > 0
    ? findings
    : [ok(`pods with a working sidecar of version ${version}: ${meshed.length}`)];
}

function asksForSidecars(namespace: KubeObject): boolean {
  return at(namespace, 'metadata', 'labels', INJECT_LABEL) === 'enabled';
}

function isAlive(pod: KubeObject): boolean {
  const phase = textAt(pod, 'status', 'phase');
  return (
    (phase === 'Running' || phase === 'Pending') && at(pod, 'metadata', 'deletionTimestamp') === undefined
  );
}

function isInjected(pod: KubeObject): boolean {
  return at(pod, 'metadata', 'annotations', STATUS_ANNOTATION) !== undefined;
}

/** Asked for by a label, and not left alone for a reason of its own, such as hostNetwork. */
function shouldBeInjected(pod: KubeObject, enabled: ReadonlySet<string>): boolean {
  const label = at(pod, 'metadata', 'labels', INJECT_LABEL);
  if (label !== 'enabled' && !enabled.has(textAt(pod, 'metadata', 'namespace'))) return false;
  return (
    injectPod(pod, { kind: 'Pod', name: textAt(pod, 'metadata', 'name') }, defaultSettings('')).kind !==
    'skip'
  );
}

function groupFaults(pods: readonly KubeObject[], version: string): Map<Fault, string[]> {
  const faults = new Map<Fault, string[]>();
  for (const pod of pods) {
    const fault = faultOf(pod, version);
    const name = `${textAt(pod, 'metadata', 'namespace')}/${textAt(pod, 'metadata', 'name')}`;
    if (fault !== undefined) faults.set(fault, [...(faults.get(fault) ?? []), name]);
  }
  return faults;
}

function faultOf(pod: KubeObject, version: string): Fault | undefined {
  if (!isInjected(pod)) return 'without';
  const initContainers = listAt(pod, 'spec', 'initContainers');
  if (!initContainers.some(({ name }) => name === REDIRECT_CONTAINER)) return 'no redirect';
  if (redirectFailed(pod)) return 'redirect failed';
  if (!sidecarIsReady(pod)) return 'not ready';
  const status = parseStatus(textAt(pod, 'metadata', 'annotations', STATUS_ANNOTATION));
  return status?.version === version ? undefined : 'old';
}

function statusOf(pod: KubeObject, name: string): KubeObject | undefined {
  const all = [
    ...listAt(pod, 'status', 'initContainerStatuses'),
    ...listAt(pod, 'status', 'containerStatuses'),
  ];
  return all.find((status) => status.name === name);
}

function redirectFailed(pod: KubeObject): boolean {
  const status = statusOf(pod, REDIRECT_CONTAINER);
  const ended =
    at(status, 'state', 'terminated', 'exitCode') ?? at(status, 'lastState', 'terminated', 'exitCode');
  return typeof ended === 'number' && ended !== 0 && at(status, 'state', 'terminated', 'exitCode') !== 0;
}

function sidecarIsReady(pod: KubeObject): boolean {
  return at(statusOf(pod, SIDECAR_CONTAINER), 'ready') === true;
}

function describe(fault: Fault, names: readonly string[], version: string): Finding {
  const pods = `${names.length} ${names.length === 1 ? 'pod' : 'pods'}`;
  const have = names.length === 1 ? 'has' : 'have';
  const list = namesOf(names);
  switch (fault) {
    case 'without':
      return wrong(
        `${pods} should have a sidecar and ${have} none: ${list}`,
        'they are older than the label or started without the webhook; restart their workloads (kubectl rollout restart)',
      );
    case 'old':
      return warning(
        `${pods} ${have} a sidecar of another version than ${version}: ${list}`,
        'restart their workloads when it suits you (docs/upgrades.md)',
      );
    case 'no redirect':
      return wrong(
        `${pods} ${have} a sidecar and no ${REDIRECT_CONTAINER}, so their connections pass it by: ${list}`,
        'another tool has removed the init container; restart their workloads',
      );
    case 'redirect failed':
      return wrong(
        `${pods} cannot write the redirect rules: ${list}`,
        `see "kubectl logs POD -c ${REDIRECT_CONTAINER}": the container needs NET_ADMIN, which a security policy may take away`,
      );
    case 'not ready':
      return wrong(
        `${pods} ${have} a sidecar that is not ready: ${list}`,
        `see "kubectl logs POD -c ${SIDECAR_CONTAINER}": it waits for the control plane, or does not reach it`,
      );
  }
}
