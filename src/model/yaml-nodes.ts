import { type Document, isMap, isScalar, isSeq, type Node, visit } from 'yaml';
import type { Path } from './problems.js';

/** Something wrong with a document as YAML. */
interface SyntaxProblem {
  /** Where in the text, in characters. */
  readonly offset: number;
  readonly message: string;
}

/** A value that is a number, a boolean or null because it is not in quotes. */
export interface PlainNumber {
  readonly path: Path;
  /** As it was written: `1.10`, `010`. */
  readonly source: string;
}

/**
 * What the parser says of a document, its warnings included: a tag that it does not know, such as `!vault`, would
 * otherwise be passed over, and the text behind it be taken for the value. And keys that a map has twice.
 */
export function syntaxProblems(document: Document.Parsed): SyntaxProblem[] {
  const said = [...document.errors, ...document.warnings].map(({ code, message, pos }) => ({
    offset: pos[0],
    message:
      code === 'TAG_RESOLVE_FAILED'
        ? `${message.replace(/^Unresolved/, 'unknown')}; write the value itself`
        : message,
  }));
  // The parser descends into what is nested by calling itself.
  const tooDeep = said.find(({ message }) => message.startsWith('Maximum call stack'));
  if (tooDeep) return [{ ...tooDeep, message: TOO_DEEP }];
  return said.length > 0 ? said : repeatedKeys(document);
}

/** What the parser says where it has run out of stack. */
export const TOO_DEEP = 'it is nested too deeply';

function repeatedKeys(document: Document.Parsed): SyntaxProblem[] {
  const found: SyntaxProblem[] = [];
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<string>();
      for (const { key } of items) {
        const name = keyName(key);
        if (name === undefined) continue;
        if (seen.has(name)) found.push({ offset: startOf(key), message: `the key "${name}" is there twice` });
        seen.add(name);
      }
    },
  });
  return found;
}

/** A key as JavaScript will have it: `1` and `"1"` are the same one. */
function keyName(key: unknown): string | undefined {
  return isScalar(key) ? String(key.value) : undefined;
}

function startOf(node: unknown): number {
  return (node as Node | null)?.range?.[0] ?? 0;
}

export function plainNumbers(document: Document.Parsed): PlainNumber[] {
  const found: PlainNumber[] = [];
  collect(document.contents, [], found);
  return found;
}

/** Aliases are not followed: what they stand for is found where it is written. */
function collect(node: unknown, path: Path, found: PlainNumber[]): void {
  if (isMap(node))
    for (const { key, value } of node.items) collect(value, [...path, keyName(key) ?? ''], found);
  else if (isSeq(node)) for (const [i, item] of node.items.entries()) collect(item, [...path, i], found);
  else if (isScalar(node) && node.type === 'PLAIN' && typeof node.value !== 'string')
    found.push({ path, source: node.source ?? '' });
}
