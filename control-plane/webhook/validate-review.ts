import { parseMeshService } from '../../src/model/mesh-service.js';
import { formatProblem, InvalidResourceError, type Problem } from '../../src/model/problems.js';
import type { AdmissionRequest, Decision } from './review.js';

/** Checks a valid document against the services in force; the problems that `roost apply` would report. */
export type CheckAgainstStore = (document: object) => Promise<readonly Problem[]>;

/** Bounds the answer: the API server cuts long ones off. */
const MAX_PROBLEMS = 50;

/** Decides about a MeshService, by the code and in the words of `roost apply`. */
export async function reviewMeshService(
  { kind, operation, object }: AdmissionRequest,
  check: CheckAgainstStore,
): Promise<Decision> {
  const ours = kind.group === 'roost.dev' && kind.kind === 'MeshService';
  if (!ours || !['CREATE', 'UPDATE'].includes(operation)) return { allowed: true };
  const document = asWritten(object);
  const own = problemsOf(document);
  const problems = own.length > 0 ? own : await check(document);
  if (problems.length === 0) return { allowed: true };
  const told = problems.slice(0, MAX_PROBLEMS).map(formatProblem);
  const more = problems.length - told.length;
  return { allowed: false, message: [...told, ...(more > 0 ? [`and ${more} more`] : [])].join('\n') };
}

function problemsOf(document: object): readonly Problem[] {
  try {
    parseMeshService(document);
    return [];
  } catch (error) {
    if (error instanceof InvalidResourceError) return error.problems;
    throw error;
  }
}

/** The object without what the API server adds: its `status`, and all metadata but names, labels and annotations. */
function asWritten(object: unknown): object {
  const { status: _, ...document } = fieldsOf(object);
  const { name, namespace, labels, annotations } = fieldsOf(document.metadata);
  const metadata = Object.fromEntries(
    Object.entries({ name, namespace, labels, annotations }).filter(([, value]) => value !== undefined),
  );
  return { ...document, metadata };
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
