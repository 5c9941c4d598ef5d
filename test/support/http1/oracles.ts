import { ChunkedScanner } from '../../../sidecar/http1/chunked-scanner.js';
import { SOURCE_IP } from './heads.js';
import type { SeenMessage, SeenRequest, SeenResponse } from './transcripts.js';

/** What must hold of every message that goes on. */

/** What a forwarded message carries, without its framing. */
export function contentOf({ framing, body }: SeenMessage): string {
  if (framing !== 'chunked') return body;
  const scanner = new ChunkedScanner(0);
  scanner.reset('content');
  let content = '';
  scanner.scan(Buffer.from(body, 'latin1'), 0, (from, start, end) => {
    content += from.toString('latin1', start, end);
  });
  return content;
}

/** Two readings of one message, the second of what the first sent on: nothing but our own additions may differ. */
export function sameMessage(
  first: SeenRequest | SeenResponse | undefined,
  second: SeenRequest | SeenResponse | undefined,
): boolean {
  if (first === undefined || second === undefined) return false;
  return meaning(first) === meaning(second);
}

function meaning(message: SeenRequest | SeenResponse): string {
  // Whether the connection goes on is each hop's own affair.
  const { head, body: _, keepAlive: __, ...rest } = message as SeenRequest;
  // Every hop adds the one before it.
  const withoutHops = head.replaceAll(`, ${SOURCE_IP}`, '');
  return JSON.stringify({ ...rest, head: withoutHops, content: contentOf(message) });
}

/** A text in two pieces, cut at every place, or at every `step`th. */
export function splitEverywhere(text: string, step = 1): string[][] {
  const splits: string[][] = [];
  for (let at = 1; at < text.length; at += step) splits.push([text.slice(0, at), text.slice(at)]);
  return splits;
}
