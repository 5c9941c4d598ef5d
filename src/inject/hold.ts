import type { PodOptions } from './annotations.js';
import type { Edit } from './edits.js';
import type { PodTemplate } from './pod-schema.js';

/**
 * Apps are told to end a little later than their pod: in that time the sidecar tells callers to use other pods, and they
 * learn of the pods that replace it. Without it, an app that exits at once fails the requests that are on their way.
 */

/** Longer than the five seconds between two questions for a DNS name. */
const HOLD_SECONDS = 8;

/** An app container that is held, and whether it had other hooks. */
export interface HeldContainer {
  readonly container: string;
  readonly hooks: boolean;
}

/** How long apps of a pod are held; 0: not at all. At most a third of the time that the pod has for its end. */
export function holdSecondsOf(pod: PodTemplate, options: PodOptions, terminationSeconds: number): number {
  // Pods that end by themselves are not called.
  if (['Never', 'OnFailure'].includes(pod.spec.restartPolicy ?? '')) return 0;
  return options.holdSeconds ?? Math.min(HOLD_SECONDS, Math.floor(terminationSeconds / 3));
}

/** The app containers without a `preStop` hook of their own, which has its reasons. */
export function heldContainers({ spec }: PodTemplate): (HeldContainer & { readonly index: number })[] {
  return spec.containers.flatMap(({ name, lifecycle }, index) =>
    lifecycle?.preStop ? [] : [{ container: name, hooks: Boolean(lifecycle), index }],
  );
}

export function holdEdit(
  { hooks, index }: { readonly hooks: boolean; readonly index: number },
  seconds: number,
): Edit {
  const preStop = { sleep: { seconds } };
  const path = ['spec', 'containers', index];
  if (hooks) return { op: 'set', path: [...path, 'lifecycle'], key: 'preStop', value: preStop };
  return { op: 'set', path, key: 'lifecycle', value: { preStop } };
}

/** Undoes {@link holdEdit}, unless the hook has been changed since. */
export function releaseEdits({ spec }: PodTemplate, held: readonly HeldContainer[]): Edit[] {
  return held.flatMap(({ container, hooks }) =>
    spec.containers.flatMap(({ name, lifecycle }, index): Edit[] => {
      const { preStop } = (lifecycle ?? {}) as { readonly preStop?: { readonly sleep?: unknown } };
      if (name !== container || preStop?.sleep === undefined) return [];
      const alone = !hooks && Object.keys(lifecycle ?? {}).length === 1;
      return [
        { op: 'remove', path: ['spec', 'containers', index, 'lifecycle', ...(alone ? [] : ['preStop'])] },
      ];
    }),
  );
}
