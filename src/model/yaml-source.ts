import { type Document, LineCounter, parseAllDocuments } from 'yaml';
import { formatProblem, type Path, type Problem } from './problems.js';
import { decodeText, isNestedTooDeeply, misplacedCharacter, type TextProblem } from './source-text.js';
import { type PlainNumber, plainNumbers, syntaxProblems, TOO_DEEP } from './yaml-nodes.js';

/** One YAML document of a file, with the way back from a path in it to a line. */
export interface SourceDocument {
  /** File name as the user gave it, `-` for standard input. */
  readonly file: string;
  readonly value: unknown;
  /** 1-based line and column of the nearest node that the path leads to. */
  locate(path: Path): { readonly line: number; readonly column: number };
  /** Every number, boolean and null that is not in quotes, as it was written. */
  plainNumbers(): readonly PlainNumber[];
}

/** A problem with its place in a file. */
export interface LocatedProblem extends Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** `shop.yaml:12:7: spec.routes[0].split[0].version: "v9" is not a version of this service; …` */
export function formatLocated(problem: LocatedProblem): string {
  return `${problem.file}:${problem.line}:${problem.column}: ${formatProblem(problem)}`;
}

/** Largest file read, in bytes; bounds what a hostile or mistaken file can cost. */
export const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** Aliases expanded in one document; stops "billion laughs". */
const MAX_ALIASES = 100;
/** Problems of one file that are told apart. */
const MAX_PROBLEMS = 100;

/** What a text of documents holds, and what is wrong with it. */
export interface ParsedYaml {
  readonly documents: SourceDocument[];
  readonly problems: LocatedProblem[];
}

/**
 * Parses a YAML (or JSON) text of one or more documents. Empty documents are skipped.
 *
 * @param content bytes, which must be UTF-8, or a text
 */
export function parseYaml(file: string, content: string | Uint8Array): ParsedYaml {
  if (content.length > MAX_FILE_BYTES)
    return unreadable(file, { ...START, message: 'the file is larger than 16 MiB' });
  const decoded = typeof content === 'string' ? { text: content } : decodeText(content);
  if ('problem' in decoded) return unreadable(file, decoded.problem);
  const text = decoded.text.replace(/^\ufeff/, '');
  const misplaced = misplacedCharacter(text);
  if (misplaced !== undefined) return unreadable(file, misplaced);
  if (isNestedTooDeeply(text))
    return unreadable(file, { ...START, message: `is not valid YAML: ${TOO_DEEP}` });
  try {
    return parseText(file, text);
  } catch (error) {
    if (error instanceof RangeError)
      return unreadable(file, { ...START, message: `is not valid YAML: ${TOO_DEEP}` });
    throw error;
  }
}

const START = { line: 1, column: 1 };

function unreadable(file: string, problem: TextProblem): ParsedYaml {
  return { documents: [], problems: [{ file, path: [], ...problem }] };
}

function parseText(file: string, text: string): ParsedYaml {
  const lines = new LineCounter();
  const problems: LocatedProblem[] = [];
  const documents: SourceDocument[] = [];
  // The parser would compare every key of a map with every other one; syntaxProblems does it in one go.
  const options = { lineCounter: lines, prettyErrors: false, uniqueKeys: false, logLevel: 'silent' } as const;
  for (const document of parseAllDocuments(text, options)) {
    if (!('contents' in document)) continue;
    const found = syntaxProblems(document).slice(0, MAX_PROBLEMS - problems.length);
    for (const { offset, message } of found) {
      const { line, col } = lines.linePos(offset);
      problems.push({ file, line, column: col, path: [], message: `is not valid YAML: ${message}` });
    }
    if (found.length === 0 && document.contents !== null) {
      const read = toSourceDocument(file, document, lines);
      if ('message' in read) problems.push(read);
      else if (read.value !== null) documents.push(read);
    }
  }
  return { documents, problems };
}

function toSourceDocument(
  file: string,
  document: Document.Parsed,
  lines: LineCounter,
): SourceDocument | LocatedProblem {
  const locate = (path: Path) => locateIn(document, path, lines);
  const scalars = () => plainNumbers(document);
  try {
    return { file, value: document.toJS({ maxAliasCount: MAX_ALIASES }), locate, plainNumbers: scalars };
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    return { file, ...locate([]), path: [], message: `is not valid YAML: ${message}` };
  }
}

function locateIn(
  document: Document.Parsed,
  path: Path,
  lines: LineCounter,
): { line: number; column: number } {
  for (let depth = path.length; depth >= 0; depth--) {
    const start = keyOrValueStart(document, path.slice(0, depth));
    if (start !== undefined) {
      const { line, col } = lines.linePos(start);
      return { line, column: col };
    }
  }
  return { line: 1, column: 1 };
}

type RangedNode = { range?: [number, number, number] | null; items?: readonly unknown[] };

/** A map entry is found at its key, which also exists where the value is empty; anything else at itself. */
function keyOrValueStart(document: Document.Parsed, path: Path): number | undefined {
  const node = (path.length === 0 ? document.contents : document.getIn(path, true)) as
    | RangedNode
    | null
    | undefined;
  if (path.length > 0) {
    const parent = (
      path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true)
    ) as RangedNode | null;
    const last = String(path.at(-1));
    const pair = parent?.items?.find((item) => {
      const key = (item as { key?: { value?: unknown } }).key;
      return key !== undefined && String(key?.value) === last;
    }) as { key: RangedNode } | undefined;
    if (pair?.key.range) return pair.key.range[0];
  }
  return node?.range?.[0];
}
