import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  visit,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import type { Path } from '../model/problems.js';
import type { Edit } from './edits.js';
import { type BlockStyle, blockItem, blockMember, flowMembers, flowPair } from './render-yaml.js';

/** A part of a text, and what stands there afterwards. */
interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** Column of lines that are put in. At one place, those further in belong to what ends there, and come first. */
  readonly column: number;
}

/** An edit that this document's YAML does not allow; the message says what to write instead. */
export class EditError extends Error {
  constructor(
    readonly path: Path,
    message: string,
  ) {
    super(message);
    this.name = 'EditError';
  }
}

/**
 * Edits of a YAML or JSON document as changes to its text. Nothing else of the text changes: comments, quotes, order
 * and white space stay. What is added stands in lines of its own (in flow style: between commas of its own), so that
 * taking it away gives the original, byte for byte.
 */
export class TextEditor {
  private readonly splices: Splice[] = [];
  private readonly eol: string;

  constructor(private readonly text: string) {
    this.eol = text.includes('\r\n') ? '\r\n' : '\n';
  }

  /** @throws EditError where an anchor or a merge key is in the way */
  edit(document: Document.Parsed, edits: readonly Edit[]): void {
    const shared = aliasedAnchors(document);
    for (const edit of edits) {
      const found = new Walk(document, shared);
      switch (edit.op) {
        case 'set':
          this.set(found.map(edit.path), edit);
          break;
        case 'insert':
          this.insert(found.list(edit.path), this.style(found.map(edit.path.slice(0, -1))), edit);
          break;
        case 'exchange':
          this.exchange(found.map(edit.path), edit);
          break;
        case 'remove':
          this.remove(found, edit.path);
      }
    }
  }

  /** The text with every edit. */
  result(): string {
    const ordered = this.splices.map((splice, order) => ({ ...splice, order }));
    ordered.sort((a, b) => a.start - b.start || b.column - a.column || a.order - b.order);
    let result = '';
    let at = 0;
    for (const { start, end, text } of ordered) {
      result += this.text.slice(at, Math.max(at, start)) + text;
      at = Math.max(at, end);
    }
    result += this.text.slice(at);
    // Lines taken from the end of a text whose last line does not end take the end of the line before along.
    return this.text.endsWith('\n') || !result.endsWith('\n') ? result : result.slice(0, -this.eol.length);
  }

  private set(map: YAMLMap, { path, key, value }: Edit & { readonly op: 'set' }): void {
    const existing = pairOf(map, key);
    if (map.flow) {
      if (existing !== undefined) this.replace(rangeOf(existing.value), JSON.stringify(value));
      else this.addToFlow(map.items.map(endOfPair), rangeOf(map), flowPair(key, value));
      return;
    }
    const first = map.items[0];
    if (first === undefined) throw new EditError(path, 'is empty; write it in block style');
    const indent = this.columnOf(startOf(first.key));
    if (existing === undefined) {
      this.insertLines(
        this.lineAfter(endOfPair(map.items.at(-1) as Pair)),
        blockMember(key, value, indent, this.style(map)),
      );
      return;
    }
    // The member is there and null.
    const [start, end] = rangeOf(existing.value ?? existing.key);
    if (existing.value !== null && start < end) this.replace([start, end], JSON.stringify(value));
    else {
      const lines = blockMember(key, value, indent, this.style(map)).split('\n').slice(1).join('\n');
      this.insertLines(this.lineAfter(startOf(existing.key)), lines);
    }
  }

  private insert(
    list: YAMLSeq,
    style: BlockStyle,
    { path, at, values }: Edit & { readonly op: 'insert' },
  ): void {
    if (list.flow) {
      const texts = values.map((value) => JSON.stringify(value)).join(', ');
      const first = list.items[0];
      if (at === 'first' && first !== undefined) {
        const [start] = rangeOf(first);
        this.replace([start, start], `${texts}, `);
      } else
        this.addToFlow(
          list.items.map((item) => rangeOf(item)[1]),
          rangeOf(list),
          texts,
        );
      return;
    }
    const dash = rangeOf(list)[0];
    const indent = this.columnOf(dash);
    if (this.text.slice(dash - indent, dash).trim() !== '')
      throw new EditError(path, 'begins in the middle of a line; give its items lines of their own');
    const lines = values.map((value) => blockItem(value, indent, style)).join('');
    this.insertLines(at === 'first' ? dash - indent : this.lineAfter(endOf(list)), lines);
  }

  /** Keeps the style of what it replaces: flow or block, white space inside braces, and the column of members. */
  private exchange(map: YAMLMap, { path, key, newKey, value }: Edit & { readonly op: 'exchange' }): void {
    const pair = pairOf(map, key);
    if (pair === undefined || !isMap(pair.value))
      throw new EditError([...path, key], 'is not a map of its own');
    const start = startOf(pair.key);
    const quote = this.text[start] === '"' ? '"' : '';
    const old = pair.value;
    const head = `${quote}${newKey}${quote}`;
    const afterKey = this.text.slice(rangeOf(pair.key)[1], rangeOf(old)[0]);
    if (old.flow) {
      const [open, end] = rangeOf(old);
      const first = old.items[0];
      const lead = first === undefined ? '' : this.text.slice(open + 1, startOf(first.key));
      const trail = first === undefined ? '' : this.text.slice(endOfPair(old.items.at(-1) as Pair), end - 1);
      const members = flowMembers(value as object, quote !== '', lead);
      this.replace([start, end], `${head}${afterKey}{${lead}${members}${trail}}`);
      return;
    }
    const indent = this.columnOf(startOf((old.items[0] as Pair).key));
    const members = blockMember('', value, indent, this.style(map), true).trimEnd();
    this.replace([start, endOf(old)], `${head}${afterKey}${members.trimStart().replaceAll('\n', this.eol)}`);
  }

  private remove(found: Walk, path: Path): void {
    const parent = path.slice(0, -1);
    const last = path.at(-1) as string | number;
    if (typeof last === 'number') this.removeItem(found.list(parent), last);
    else this.removeMember(found.map(parent), last, path);
  }

  private removeMember(map: YAMLMap, key: string, path: Path): void {
    const index = map.items.findIndex((pair) => keyOf(pair) === key);
    const pair = map.items[index];
    if (pair === undefined)
      throw new EditError(path, 'is not written here; it comes from a merge key ("<<")');
    const start = startOf(pair.key);
    const end = endOfPair(pair);
    if (map.flow) {
      const before = map.items[index - 1];
      const after = map.items[index + 1];
      if (before !== undefined) this.replace([endOfPair(before), end], '');
      else this.replace([start, after === undefined ? end : startOf(after.key)], '');
      return;
    }
    this.removeLines(start, end, map.items[index + 1]?.key);
  }

  private removeItem(list: YAMLSeq, index: number): void {
    const item = list.items[index];
    const after = list.items[index + 1];
    const [start] = rangeOf(item);
    if (list.flow) {
      const before = list.items[index - 1];
      const end = rangeOf(item)[1];
      if (after !== undefined) this.replace([start, rangeOf(after)[0]], '');
      else this.replace([before === undefined ? start : rangeOf(before)[1], end], '');
      return;
    }
    this.removeLines(this.text.lastIndexOf('-', start - 1), endOf(item), after);
  }

  /** @param next what follows, for a member that begins on the line of a dash */
  private removeLines(start: number, end: number, next: unknown): void {
    const lineStart = start - this.columnOf(start);
    if (this.text.slice(lineStart, start).trim() === '') this.replace([lineStart, this.lineAfter(end)], '');
    else this.replace([start, next === undefined ? end : startOf(next)], '');
  }

  private addToFlow(ends: readonly number[], [start, end]: readonly [number, number], text: string): void {
    const last = ends.at(-1);
    if (last !== undefined) this.replace([last, last], `, ${text}`);
    else this.replace([start + 1, end - 1], text);
  }

  private replace([start, end]: readonly [number, number], text: string, column = 0): void {
    this.splices.push({ start, end, text, column });
  }

  private insertLines(at: number, lines: string): void {
    const text = lines.replaceAll('\n', this.eol);
    const endsLine = at === 0 || this.text[at - 1] === '\n';
    const content = text.trimStart();
    // Items of a list may stand below their key in the same column.
    const column = text.length - content.length + (content.startsWith('- ') ? 0.5 : 0);
    this.replace([at, at], endsLine ? text : this.eol + text.slice(0, -this.eol.length), column);
  }

  /** The place after the line break of the line with this place; a block scalar ends at one. */
  private lineAfter(at: number): number {
    if (at > 0 && this.text[at - 1] === '\n') return at;
    const end = this.text.indexOf('\n', at);
    return end === -1 ? this.text.length : end + 1;
  }

  private columnOf(at: number): number {
    return at - (this.text.lastIndexOf('\n', at - 1) + 1);
  }

  /** Whether lists are further in than the key they belong to, as this document writes them. */
  private style({ items }: YAMLMap): BlockStyle {
    const list = items.find(({ value }) => isSeq(value) && !value.flow);
    if (list === undefined) return { indentLists: true };
    return { indentLists: this.columnOf(startOf(list.value)) > this.columnOf(startOf(list.key)) };
  }
}

/** Names of the anchors that an alias refers to. */
function aliasedAnchors(document: Document.Parsed): ReadonlySet<string> {
  const names = new Set<string>();
  visit(document, { Alias: (_, { source }) => void names.add(source) });
  return names;
}

/** Goes to a place of a document, along nodes that an edit may change. */
class Walk {
  constructor(
    private readonly document: Document.Parsed,
    private readonly shared: ReadonlySet<string>,
  ) {}

  map(path: Path): YAMLMap {
    const node = this.node(path);
    if (!isMap(node)) throw new EditError(path, 'is not written here as a map; write it out');
    return node;
  }

  list(path: Path): YAMLSeq {
    const node = this.node(path);
    if (!isSeq(node)) throw new EditError(path, 'is not written here as a list; write it out');
    return node;
  }

  private node(path: Path): unknown {
    let node: unknown = this.document.contents;
    for (let depth = 0; ; depth++) {
      this.check(node, path.slice(0, depth));
      const key = path[depth];
      if (key === undefined) return node;
      node = isMap(node)
        ? pairOf(node, String(key))?.value
        : isSeq(node)
          ? node.items[key as number]
          : undefined;
    }
  }

  private check(node: unknown, path: Path): void {
    if (isAlias(node))
      throw new EditError(
        path,
        `is the alias *${node.source}; write the value out, because a change would be one of the anchor too`,
      );
    if (node === undefined || node === null)
      throw new EditError(path, 'is not written here; it comes from a merge key ("<<"); write it out');
    const { anchor } = node as { readonly anchor?: string };
    if (anchor !== undefined && this.shared.has(anchor))
      throw new EditError(
        path,
        `has the anchor &${anchor}, which is used elsewhere too; write the other place out`,
      );
  }
}

function pairOf(map: YAMLMap, key: string): Pair | undefined {
  return map.items.find((pair) => keyOf(pair) === key);
}

function keyOf({ key }: Pair): string | undefined {
  return isScalar(key) ? String(key.value) : undefined;
}

/** A parsed node always has a range. */
function rangeOf(node: unknown): readonly [number, number] {
  const [start, end] = (node as Node).range as [number, number, number];
  return [start, end];
}

function startOf(node: unknown): number {
  return rangeOf(node)[0];
}

/** Where the text of a node ends, without comments that follow. */
function endOf(node: unknown): number {
  if (isMap(node) && !node.flow && node.items.length > 0) return endOfPair(node.items.at(-1) as Pair);
  if (isSeq(node) && !node.flow && node.items.length > 0) return endOf(node.items.at(-1));
  return rangeOf(node)[1];
}

function endOfPair({ key, value }: Pair): number {
  return value === null || value === undefined ? rangeOf(key)[1] : endOf(value);
}
