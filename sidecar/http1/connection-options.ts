import { ProtocolError } from '../http/protocol-error.js';
import { type HeaderBlock, ID } from './header-block.js';

/** What a `Connection` header says (RFC 9110 section 7.6.1). */
export interface ConnectionOptions {
  readonly close: boolean;
  readonly keepAlive: boolean;
  readonly upgrade: boolean;
  /** Other fields, in lower case, that it declares to be for this hop only. */
  readonly nominated: readonly string[];
}

const NONE: ConnectionOptions = { close: false, keepAlive: false, upgrade: false, nominated: [] };
const KEEP_ALIVE: ConnectionOptions = { ...NONE, keepAlive: true };
const CLOSE: ConnectionOptions = { ...NONE, close: true };

/**
 * A connection option of our own, without a field: whoever answers is about to stop, and takes connections for a while
 * only (see `sidecar/assembly/drain.ts`). Peers that do not know it see a connection that closes.
 */
export const LEAVING = 'roost-leaving';

/** Fields that frame, route or identify a message; a client that could have them removed could change what it means. */
const NEVER_NOMINATED = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'cookie',
  'set-cookie',
  'authorization',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-request-id',
  'traceparent',
  'baggage',
]);

/** @throws ProtocolError when it nominates a field that is not its to remove. */
export function connectionOptions(headers: HeaderBlock): ConnectionOptions {
  const value = headers.known(ID.connection);
  if (value === undefined) return NONE;
  // The two that nearly every message has.
  if (value === 'keep-alive') return KEEP_ALIVE;
  if (value === 'close') return CLOSE;
  const options = value.split(',').map((option) => option.trim().toLowerCase());
  const nominated = options.filter((option) => !['', 'close', 'keep-alive', 'upgrade'].includes(option));
  const wrong = nominated.find((option) => NEVER_NOMINATED.has(option));
  if (wrong !== undefined)
    throw new ProtocolError(`Connection names "${wrong}", which is not for one hop only`);
  return {
    close: options.includes('close'),
    keepAlive: options.includes('keep-alive'),
    upgrade: options.includes('upgrade'),
    nominated,
  };
}
