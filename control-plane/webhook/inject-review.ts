import { toJsonPatch } from '../../src/inject/edits.js';
import { ownerOfPod } from '../../src/inject/identity.js';
import { injectPod } from '../../src/inject/inject-pod.js';
import type { InjectSettings } from '../../src/inject/settings.js';
import { formatProblem } from '../../src/model/problems.js';
import type { AdmissionRequest, Decision } from './review.js';

/** Decides about a pod that is about to be made. Which pods are asked about is for the webhook's selectors to say. */
export function reviewPod({ kind, operation, object }: AdmissionRequest, settings: InjectSettings): Decision {
  if (kind.kind !== 'Pod' || kind.group !== '' || operation !== 'CREATE') return { allowed: true };
  const outcome = injectPod(object, ownerOfPod(originOf(object)), settings);
  switch (outcome.kind) {
    case 'inject':
      return { allowed: true, patch: toJsonPatch(outcome.edits), warnings: outcome.warnings.map(ours) };
    case 'skip':
      return { allowed: true, warnings: outcome.surprising ? [ours(`no sidecar: ${outcome.reason}`)] : [] };
    case 'refuse':
      return { allowed: false, message: ours(outcome.problems.map(formatProblem).join('; ')) };
  }
}

function ours(text: string): string {
  return `roost: ${text}`;
}

type Origin = Parameters<typeof ownerOfPod>[0];

/** Untrusted: what is not of the type that Kubernetes gives it counts as absent. */
function originOf(object: unknown): Origin {
  const metadata = fieldsOf(fieldsOf(object).metadata);
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
  const owners = Array.isArray(metadata.ownerReferences) ? metadata.ownerReferences.map(fieldsOf) : [];
  return {
    name: text(metadata.name),
    generateName: text(metadata.generateName),
    labels: Object.fromEntries(
      Object.entries(fieldsOf(metadata.labels)).filter(
        (entry): entry is [string, string] => typeof entry[1] === 'string',
      ),
    ),
    ownerReferences: owners.flatMap(({ kind, name, controller }) =>
      typeof kind === 'string' && typeof name === 'string'
        ? [{ kind, name, controller: controller === true }]
        : [],
    ),
  };
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
