import type { Field } from '../../src/http/field-line.js';
import { isTargetPath } from '../../src/http/guarded-headers.js';
import { headerName } from '../../src/http/header-name.js';
import type { FieldChanges } from '../../src/routing/actions.js';
import type { RequestEdits, RequestMessage, ResponseEdits, ResponseMessage } from './message.js';

/**
 * Heads as they go on, with what the sidecar changes in them, for every codec. HTTP/1.1 has a way of its own for heads
 * that came over HTTP/1.1, which passes most of their text on as it is; a test proves that both say the same.
 */

const HOST = headerName('host');

export interface EditedRequest {
  /** Path and query, or `*`. */
  readonly target: string;
  /** As the client wrote it, or as the route does. */
  readonly authority: string;
  readonly fields: readonly Field[];
}

export function editedRequest(request: RequestMessage, edits: RequestEdits): EditedRequest {
  const { changes, baggage } = edits;
  const fields = changedFields(carriedFields(request, edits), changes?.fields);
  // No route takes a lane away (S8).
  if (baggage !== undefined && changes?.fields?.dropped.has('baggage')) fields.push(['baggage', baggage]);
  return {
    target: changes?.path === undefined ? request.target : rewrittenTarget(request.target, changes.path),
    authority: changes?.host || (request.header(HOST) ?? ''),
    fields,
  };
}

export function editedResponseFields(response: ResponseMessage, { added, changes }: ResponseEdits): Field[] {
  const fields: Field[] = [];
  response.eachField((name, value) => fields.push([name, value]));
  return [...changedFields(fields, changes), ...added];
}

/** A target with another path; the query stays. `OPTIONS *` has no path, and what is not a path is not written. */
export function rewrittenTarget(target: string, rewrite: (path: string) => string): string {
  if (!target.startsWith('/')) return target;
  const mark = target.indexOf('?');
  const path = rewrite(mark === -1 ? target : target.slice(0, mark));
  if (!isTargetPath(path)) return target;
  return mark === -1 ? path : path + target.slice(mark);
}

function carriedFields(request: RequestMessage, edits: RequestEdits): Field[] {
  const fields: Field[] = [];
  const seen = new Set<string>();
  let forwardedFor = -1;
  request.eachField((name, value) => {
    const lower = name.toLowerCase();
    if (lower === 'x-roost-via' || (lower === 'baggage' && edits.baggage !== undefined)) return;
    if (lower === 'grpc-timeout' && edits.grpcTimeout !== undefined) return;
    seen.add(lower);
    // Of several X-Forwarded-For, the last is the one to add to.
    if (lower === 'x-forwarded-for') forwardedFor = fields.length;
    fields.push([name, value]);
  });
  const { sourceIp } = request;
  const [name, before] = fields[forwardedFor] ?? ['x-forwarded-for', ''];
  const callers: Field = [name, before === '' ? sourceIp : `${before}, ${sourceIp}`];
  if (forwardedFor === -1) fields.push(callers);
  else fields[forwardedFor] = callers;
  if (!seen.has('x-forwarded-proto')) fields.push(['x-forwarded-proto', 'http']);
  if (!seen.has('x-request-id')) {
    request.givenId ||= edits.requestId();
    fields.push(['x-request-id', request.givenId]);
  }
  if (edits.via !== undefined) fields.push(['x-roost-via', edits.via]);
  if (edits.baggage !== undefined) fields.push(['baggage', edits.baggage]);
  if (edits.grpcTimeout !== undefined) fields.push(['grpc-timeout', edits.grpcTimeout]);
  return fields;
}

function changedFields(fields: Field[], changes: FieldChanges | undefined): Field[] {
  if (changes === undefined) return fields;
  const { dropped, added } = changes;
  return [...fields.filter(([name]) => !dropped.has(name.toLowerCase())), ...added];
}
