import type { VisitField } from '../http/message.js';
import type { ConnectionOptions } from './connection-options.js';
import { type HeaderBlock, ID } from './header-block.js';

/** Fields of this connection only, and those that the neutral message says in another way. */
const OF_ONE_HOP = [
  ID.connection,
  ID['keep-alive'],
  ID['proxy-connection'],
  ID.te,
  ID.upgrade,
  ID['transfer-encoding'],
  // A sidecar's word to the next one.
  ID['x-roost-app-refuses'],
];
const LEFT_OUT_OF_REQUESTS: ReadonlySet<number> = new Set([
  ...OF_ONE_HOP,
  ID.host,
  ID['proxy-authorization'],
  ID['http2-settings'],
]);
const LEFT_OUT_OF_OLD_REQUESTS: ReadonlySet<number> = new Set([...LEFT_OUT_OF_REQUESTS, ID.expect]);
const LEFT_OUT_OF_RESPONSES: ReadonlySet<number> = new Set(OF_ONE_HOP);

interface Head {
  readonly headers: HeaderBlock;
  readonly connection: ConnectionOptions;
}

/** Visits the fields of a request that go on to a peer of another protocol (RFC 9110 section 7.6.1), in their order. */
export function eachRequestField(head: Head & { readonly minorVersion: number }, visit: VisitField): void {
  // A client of HTTP/1.0 waits for no 100 (RFC 9110 section 10.1.1).
  eachField(head, head.minorVersion === 0 ? LEFT_OUT_OF_OLD_REQUESTS : LEFT_OUT_OF_REQUESTS, visit);
}

/** The same of a response. */
export function eachResponseField(head: Head, visit: VisitField): void {
  eachField(head, LEFT_OUT_OF_RESPONSES, visit);
}

function eachField({ headers, connection }: Head, leftOut: ReadonlySet<number>, visit: VisitField): void {
  for (let i = 0; i < headers.count; i++) {
    if (leftOut.has(headers.idAt(i))) continue;
    const name = headers.nameAt(i);
    if (connection.nominated.includes(name.toLowerCase())) continue;
    visit(name, headers.valueAt(i));
  }
}
