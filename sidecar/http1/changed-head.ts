import { fieldLine, fieldLines } from '../../src/http/field-line.js';
import type { FieldChanges, RequestChanges } from '../../src/routing/actions.js';
import { rewrittenTarget } from '../http/edited-fields.js';

/**
 * Heads with the changes that a route asks for, made on the text that would go out without them. Only requests of
 * routes that ask for changes come here.
 */

const END_OF_LINE = '\r\n';

/**
 * @param head a whole request head, the empty line at its end included
 * @param baggage that the sidecar has put into it: no route takes a lane away (S8)
 */
export function changedRequestHead(
  head: string,
  { fields, path, host }: RequestChanges,
  baggage: string | undefined,
): string {
  const endOfLine = head.indexOf(END_OF_LINE);
  const line = path === undefined ? head.slice(0, endOfLine) : rewrittenLine(head.slice(0, endOfLine), path);
  const named = host === '' ? '' : fieldLine('Host', host);
  const rest = head.slice(endOfLine + END_OF_LINE.length, -END_OF_LINE.length);
  const kept = named === '' ? rest : withoutFields(rest, HOST);
  const lane =
    baggage !== undefined && fields?.dropped.has('baggage') ? `baggage: ${baggage}${END_OF_LINE}` : '';
  return `${line}${END_OF_LINE}${named}${changedFields(kept, fields)}${lane}${END_OF_LINE}`;
}

const HOST: ReadonlySet<string> = new Set(['host']);

/** The request line with another path. */
function rewrittenLine(line: string, path: (path: string) => string): string {
  const start = line.indexOf(' ') + 1;
  const end = line.lastIndexOf(' ');
  return line.slice(0, start) + rewrittenTarget(line.slice(start, end), path) + line.slice(end);
}

/** @param lines header lines, each with its line end */
export function changedFields(lines: string, changes: FieldChanges | undefined): string {
  if (changes === undefined) return lines;
  return withoutFields(lines, changes.dropped) + addedLines(changes);
}

/** As text, made once for each route. */
const ADDED_LINES = new WeakMap<FieldChanges, string>();

function addedLines(changes: FieldChanges): string {
  let lines = ADDED_LINES.get(changes);
  if (lines === undefined) {
    lines = fieldLines(changes.added);
    ADDED_LINES.set(changes, lines);
  }
  return lines;
}

function withoutFields(lines: string, dropped: ReadonlySet<string>): string {
  if (dropped.size === 0) return lines;
  let kept = '';
  let runStart = 0;
  for (let at = 0; at < lines.length; ) {
    const colon = lines.indexOf(':', at);
    const next = lines.indexOf(END_OF_LINE, colon) + END_OF_LINE.length;
    if (dropped.has(lines.slice(at, colon).toLowerCase())) {
      kept += lines.slice(runStart, at);
      runStart = next;
    }
    at = next;
  }
  return kept + lines.slice(runStart);
}
