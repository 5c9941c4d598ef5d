import type { Problem } from '../model/problems.js';
import { type PodOptions, readAnnotations } from './annotations.js';
import { redirectContainer, type SidecarPlan, sidecarContainer, stateVolume } from './containers.js';
import { findConflicts, whySkipped } from './decide.js';
import type { Edit } from './edits.js';
import { heldContainers, holdEdit, holdSecondsOf } from './hold.js';
import { type Owner, releaseOf, serviceOf } from './identity.js';
import { INJECT_LABEL, STATUS_ANNOTATION } from './names.js';
import { type PodTemplate, parsePodTemplate } from './pod-schema.js';
import { askSidecar, findTcpProbes, type TcpProbe } from './probes.js';
import type { InjectSettings } from './settings.js';
import { formatStatus } from './status.js';

/** What becomes of a pod: edits that add a sidecar, a reason to leave it alone, or what is wrong with it. */
export type InjectOutcome =
  | { readonly kind: 'inject'; readonly edits: readonly Edit[]; readonly warnings: readonly string[] }
  | { readonly kind: 'skip'; readonly reason: string; readonly surprising: boolean }
  | { readonly kind: 'refuse'; readonly problems: readonly Problem[] };

/** How long Kubernetes waits for a pod that says nothing. */
const DEFAULT_TERMINATION_SECONDS = 30;

/**
 * Decides about a pod or a pod template and makes the edits, without reading or writing anything.
 *
 * @param input untrusted: from a file or from the API server
 * @param owner what the pod is of, for its service and release
 */
export function injectPod(input: unknown, owner: Owner, settings: InjectSettings): InjectOutcome {
  const parsed = parsePodTemplate(input);
  if ('problems' in parsed) return { kind: 'refuse', problems: parsed.problems };
  const { pod } = parsed;
  const label = pod.metadata?.labels?.[INJECT_LABEL];
  if (label !== undefined && label !== 'enabled' && label !== 'disabled') return refuseLabel(label);
  const skip = whySkipped(pod, label);
  if (skip !== undefined) return skipOrRefuse(skip, label);
  const { options, problems } = readAnnotations(pod);
  const mode = options.mode ?? settings.mode;
  const service = serviceOf(pod, options, owner);
  const found = [...problems, ...findConflicts(pod, mode, owner, options), ...missingService(service)];
  if (found.length > 0 || service === undefined) return { kind: 'refuse', problems: found };
  const probes = findTcpProbes(pod, options.excludeInboundPorts ?? []);
  const plan = { ...planOf(pod, options, owner, probes), settings, mode, service };
  return { kind: 'inject', edits: editsOf(pod, plan, probes), warnings: warningsOf(pod) };
}

function refuseLabel(label: string): InjectOutcome {
  const message = `must be enabled or disabled; it is "${label}"`;
  return { kind: 'refuse', problems: [{ path: ['metadata', 'labels', INJECT_LABEL], message }] };
}

/** A pod that asks for a sidecar itself must not run without one unnoticed. */
function skipOrRefuse(
  skip: { readonly reason: string; readonly surprising: boolean },
  label: string | undefined,
): InjectOutcome {
  if (!skip.surprising || label !== 'enabled') return { kind: 'skip', ...skip };
  const message = `asks for a sidecar, and the pod cannot have one: ${skip.reason}; take the label away or say disabled`;
  return { kind: 'refuse', problems: [{ path: ['metadata', 'labels', INJECT_LABEL], message }] };
}

function missingService(service: string | undefined): Problem[] {
  if (service !== undefined) return [];
  const message =
    "has no name that a service can have, in the label app.kubernetes.io/name or app or as the workload's name; add the annotation roost.dev/service";
  return [{ path: ['metadata'], message }];
}

function planOf(
  pod: PodTemplate,
  options: PodOptions,
  owner: Owner,
  probes: readonly TcpProbe[],
): Pick<
  SidecarPlan,
  'options' | 'release' | 'probedPorts' | 'holdSeconds' | 'terminationGracePeriodSeconds'
> {
  const termination = pod.spec.terminationGracePeriodSeconds ?? DEFAULT_TERMINATION_SECONDS;
  return {
    options,
    holdSeconds: holdSecondsOf(pod, options, termination),
    release: releaseOf(pod, options, owner),
    probedPorts: [...new Set(probes.map(({ port }) => port))].sort((a, b) => a - b),
    terminationGracePeriodSeconds: termination,
  };
}

function editsOf(pod: PodTemplate, plan: SidecarPlan, probes: readonly TcpProbe[]): Edit[] {
  const { metadata, spec } = pod;
  const native = plan.mode === 'native';
  const sidecar = sidecarContainer(plan);
  const redirect = redirectContainer(plan);
  const created = [
    // One that is null is there, and stays.
    ...(metadata === undefined ? ['metadata'] : []),
    ...(metadata?.annotations === undefined ? ['annotations'] : []),
    ...(spec.initContainers === undefined ? ['initContainers'] : []),
    ...(spec.volumes === undefined ? ['volumes'] : []),
  ];
  const tcpProbes = probes.map(({ path, tcpSocket }) => ({
    container: containerAt(pod, path),
    probe: String(path.at(-1)),
    tcpSocket: tcpSocket as Record<string, unknown>,
  }));
  const holding = plan.holdSeconds > 0 ? heldContainers(pod) : [];
  const held = holding.map(({ container, hooks }) => ({ container, hooks }));
  const status = formatStatus({ version: plan.settings.version, mode: plan.mode, created, tcpProbes, held });
  return [
    annotate(pod, status),
    // A JSON Patch counts containers as it goes: what changes them comes before those that are put in front.
    ...probes.map(askSidecar),
    ...holding.map((container) => holdEdit(container, plan.holdSeconds)),
    ...addTo(
      'initContainers',
      spec.initContainers,
      native ? [redirect, sidecar] : [redirect],
      native ? 'first' : 'last',
    ),
    // The kubelet starts containers in their order, and the next one when postStart of the one before has ended.
    ...(native ? [] : addTo('containers', spec.containers, [sidecar], 'first')),
    ...addTo('volumes', spec.volumes, [stateVolume], 'last'),
  ];
}

function annotate({ metadata }: PodTemplate, status: string): Edit {
  const annotations = { [STATUS_ANNOTATION]: status };
  if (!metadata) return { op: 'set', path: [], key: 'metadata', value: { annotations } };
  if (!metadata.annotations) return { op: 'set', path: ['metadata'], key: 'annotations', value: annotations };
  return { op: 'set', path: ['metadata', 'annotations'], key: STATUS_ANNOTATION, value: status };
}

function addTo(
  key: 'initContainers' | 'containers' | 'volumes',
  existing: readonly unknown[] | null | undefined,
  values: readonly unknown[],
  at: 'first' | 'last',
): Edit[] {
  if (existing) return [{ op: 'insert', path: ['spec', key], at, values }];
  return [{ op: 'set', path: ['spec'], key, value: values }];
}

function containerAt({ spec }: PodTemplate, [, list, index]: readonly (string | number)[]): string {
  const containers = list === 'containers' ? spec.containers : spec.initContainers;
  return containers?.[index as number]?.name ?? '';
}

function warningsOf({ spec }: PodTemplate): string[] {
  const seconds = spec.terminationGracePeriodSeconds ?? DEFAULT_TERMINATION_SECONDS;
  return seconds < SHORT_TERMINATION_SECONDS
    ? [
        `terminationGracePeriodSeconds is ${seconds}: callers may still send requests when the pod is killed; ${SHORT_TERMINATION_SECONDS} or more lets them finish`,
      ]
    : [];
}

/** Shorter than the grace of a drain, callers are not told in time. */
const SHORT_TERMINATION_SECONDS = 10;
