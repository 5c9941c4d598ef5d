import { parseMeshService, type ServiceKey } from './mesh-service.js';
import { InvalidResourceError, type Problem } from './problems.js';
import type { LocatedProblem, SourceDocument } from './yaml-source.js';

/** A problem of a document, at its place in the document's file. */
export function locateProblem(document: SourceDocument, problem: Problem): LocatedProblem {
  return { ...problem, file: document.file, ...document.locate(problem.path) };
}

/** The service that a document is about, valid or not; undefined where it does not say. */
export function claimedKey({ value }: SourceDocument): ServiceKey | undefined {
  const { name, namespace = DEFAULT_NAMESPACE } = metadataOf(value);
  return typeof name === 'string' && typeof namespace === 'string' ? `${namespace}/${name}` : undefined;
}

/** The namespace that a document is in, valid or not; where it says none that can be, the default one. */
export function claimedNamespace(value: unknown): string {
  const { namespace } = metadataOf(value);
  return typeof namespace === 'string' ? namespace : DEFAULT_NAMESPACE;
}

const DEFAULT_NAMESPACE = 'default';

function metadataOf(value: unknown): { readonly name?: unknown; readonly namespace?: unknown } {
  return (value as { metadata?: object | null } | null)?.metadata ?? {};
}

/**
 * Everything that is wrong with a set of documents, as far as they themselves tell: each by itself, and services
 * that are declared twice. In the order in which a reader comes upon it.
 */
export function checkDocuments(documents: readonly SourceDocument[]): LocatedProblem[] {
  const first = new Map<ServiceKey, SourceDocument>();
  return documents.flatMap((document) =>
    [...checkOne(document), ...checkRepeated(document, first)].sort(
      (a, b) => a.line - b.line || a.column - b.column,
    ),
  );
}

function checkOne(document: SourceDocument): LocatedProblem[] {
  try {
    parseMeshService(document.value);
    return [];
  } catch (error) {
    if (!(error instanceof InvalidResourceError)) throw error;
    return error.problems.map((problem) => locateProblem(document, problem));
  }
}

/** @param first the first document of each service so far; added to */
function checkRepeated(document: SourceDocument, first: Map<ServiceKey, SourceDocument>): LocatedProblem[] {
  const path = ['metadata', 'name'];
  const key = claimedKey(document);
  const earlier = key && first.get(key);
  if (key && earlier === undefined) first.set(key, document);
  if (earlier === undefined) return [];
  const where = `${earlier.file}:${earlier.locate(path).line}`;
  const message = `${key} is declared in ${where} already; a service is one document`;
  return [locateProblem(document, { path, message })];
}
