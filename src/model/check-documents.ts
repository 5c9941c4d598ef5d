import { parseMeshService, type ServiceKey } from './mesh-service.js';
import { formatPath, InvalidResourceError, NEEDS_QUOTES, type Problem } from './problems.js';
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

/** Problems of one document that are told apart; there are no more mistakes than that, but hostile ones. */
const MAX_PROBLEMS = 100;

function checkOne(document: SourceDocument): LocatedProblem[] {
  const all = [...ambiguousNumbers(document), ...withSources(document, problemsOf(document.value))];
  const told = all.slice(0, MAX_PROBLEMS).map((problem) => locateProblem(document, problem));
  if (all.length <= MAX_PROBLEMS) return told;
  const { path } = all[MAX_PROBLEMS] as Problem;
  const more = { path, message: `and ${all.length - MAX_PROBLEMS} more problems in this document` };
  return [...told, locateProblem(document, more)];
}

function problemsOf(value: unknown): readonly Problem[] {
  try {
    parseMeshService(value);
    return [];
  } catch (error) {
    if (error instanceof InvalidResourceError) return error.problems;
    throw error;
  }
}

/** 8 for some YAML readers, 10 for others (YAML 1.1 section 10.2.4, YAML 1.2.2 section 10.3.2). */
const AMBIGUOUS = /^[-+]?0o?\d+$/;

function ambiguousNumbers(document: SourceDocument): Problem[] {
  return document.plainNumbers().flatMap(({ path, source }) => {
    if (!AMBIGUOUS.test(source)) return [];
    const message = `${source} is octal for some readers of YAML and not for others; write "${source}" for a text, or a number without the leading 0`;
    return [{ path, message }];
  });
}

/** A text without quotes that YAML takes for a number is named as it was written: 1.10, and not 1.1. */
function withSources(document: SourceDocument, problems: readonly Problem[]): readonly Problem[] {
  if (!problems.some(({ message }) => message.endsWith(NEEDS_QUOTES))) return problems;
  const sources = new Map(document.plainNumbers().map(({ path, source }) => [formatPath(path), source]));
  return problems.map((problem) => {
    const source = sources.get(formatPath(problem.path));
    if (!source || !problem.message.endsWith(NEEDS_QUOTES)) return problem;
    return { ...problem, message: `${problem.message}: "${source}"` };
  });
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
