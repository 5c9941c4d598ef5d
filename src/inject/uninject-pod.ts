import type { Path } from '../model/problems.js';
import type { Edit } from './edits.js';
import { releaseEdits } from './hold.js';
import { APP_PORT_PATH, OWN_CONTAINERS, STATE_VOLUME, STATUS_ANNOTATION } from './names.js';
import { type PodTemplate, parsePodTemplate } from './pod-schema.js';
import { askApp } from './probes.js';
import { type InjectStatus, parseStatus } from './status.js';

/** Edits that take the sidecar out of a pod or a pod template again; none where there is none. */
export function uninjectPod(input: unknown): readonly Edit[] {
  const parsed = parsePodTemplate(input);
  if ('problems' in parsed) return [];
  const { pod } = parsed;
  const text = pod.metadata?.annotations?.[STATUS_ANNOTATION];
  const status = text === undefined ? undefined : parseStatus(text);
  if (status === undefined) return [];
  const own = ({ name }: { readonly name: string }) => OWN_CONTAINERS.includes(name);
  return [
    ...restoreProbes(pod, status),
    ...releaseEdits(pod, status.held),
    ...takeFrom(pod.spec.initContainers, 'initContainers', own, status),
    ...takeFrom(pod.spec.containers, 'containers', own, status),
    ...takeFrom(pod.spec.volumes, 'volumes', ({ name }) => name === STATE_VOLUME, status),
    { op: 'remove', path: ownMetadata(pod, status) },
  ];
}

function restoreProbes({ spec }: PodTemplate, { tcpProbes }: InjectStatus): Edit[] {
  const lists = { containers: spec.containers, initContainers: spec.initContainers ?? [] };
  return tcpProbes.flatMap(({ container, probe, tcpSocket }) =>
    Object.entries(lists).flatMap(([list, containers]) =>
      containers.flatMap((candidate, i): Edit[] => {
        const { httpGet } = (candidate[probe] ?? {}) as { readonly httpGet?: { readonly path?: unknown } };
        const asks = String(httpGet?.path ?? '').startsWith(APP_PORT_PATH);
        return candidate.name === container && asks ? [askApp(['spec', list, i, probe], tcpSocket)] : [];
      }),
    ),
  );
}

/** From the last to the first, as a JSON Patch needs it. */
function takeFrom<T>(
  items: readonly T[] | null | undefined,
  key: 'initContainers' | 'containers' | 'volumes',
  isOwn: (item: T) => boolean,
  { created }: InjectStatus,
): Edit[] {
  const indexes = (items ?? []).flatMap((item, i) => (isOwn(item) ? [i] : []));
  if (created.includes(key) && indexes.length > 0 && indexes.length === items?.length)
    return [{ op: 'remove', path: ['spec', key] }];
  return indexes.reverse().map((i) => ({ op: 'remove', path: ['spec', key, i] }));
}

/** The annotation, or as much around it as injection has made and holds nothing else. */
function ownMetadata({ metadata }: PodTemplate, { created }: InjectStatus): Path {
  const alone = (value: object | null | undefined) => Object.keys(value ?? {}).length === 1;
  if (!created.includes('annotations') || !alone(metadata?.annotations))
    return ['metadata', 'annotations', STATUS_ANNOTATION];
  return created.includes('metadata') && alone(metadata) ? ['metadata'] : ['metadata', 'annotations'];
}
