import { isIP } from 'node:net';
import { readCookie } from '../http/cookies.js';
import type { Field } from '../http/field-line.js';
import { headerName } from '../http/header-name.js';
import { splitHostPort } from '../model/formats.js';
import { formatAddress } from '../net/ip-address.js';
import type { StatefulSessionConfig } from '../xds/stateful-session-config.js';
import type { RequestView } from './request-view.js';

const COOKIE = headerName('cookie');
/** Base64 of the longest address, with an expiry after it, is well below. */
const LONGEST_VALUE = 128;

/** A stateful session of Envoy's, compiled: where its clients carry an endpoint's address, and how it is written. */
export class StatefulSession {
  readonly strict: boolean;
  /** The value that the client carries; undefined: none. */
  private readonly read: (request: RequestView) => string | undefined;
  /** Requests for other paths are left alone. */
  private readonly path: string;
  /** What the response says it in. */
  private readonly field: string;
  /** What stands around the value there. */
  private readonly before: string;
  private readonly after: string;

  constructor({ carrier, strict }: StatefulSessionConfig) {
    this.strict = strict;
    if (carrier.kind === 'header') {
      const name = headerName(carrier.name);
      this.read = (request) => request.header(name);
      this.path = '';
      [this.field, this.before, this.after] = [carrier.name, '', ''];
      return;
    }
    const { name, path, ttlMs } = carrier;
    this.read = (request) => {
      const header = request.header(COOKIE);
      return header === undefined ? undefined : readCookie(header, name);
    };
    this.path = path;
    const maxAge = ttlMs > 0 ? `; Max-Age=${Math.max(1, Math.round(ttlMs / 1000))}` : '';
    this.field = 'set-cookie';
    this.before = `${name}="`;
    this.after = `"${maxAge}${path === '' ? '' : `; Path=${path}`}; HttpOnly`;
  }

  /** The address that the request asks for, `ip:port`; undefined where it names none. */
  addressIn(request: RequestView): string | undefined {
    const value = this.covers(request.path) ? this.read(request) : undefined;
    return value === undefined || value.length > LONGEST_VALUE ? undefined : decodeAddress(value);
  }

  /** The response's field that tells the client where it is now; undefined: the client knows. */
  fieldFor(request: RequestView, address: string): Field | undefined {
    if (!this.covers(request.path) || this.addressIn(request) === address) return undefined;
    return [this.field, this.before + Buffer.from(address).toString('base64') + this.after];
  }

  /** A cookie's path: all below it, as Envoy reads it. */
  private covers(path: string): boolean {
    if (this.path === '' || this.path === '/') return true;
    if (!path.startsWith(this.path)) return false;
    return this.path.endsWith('/') || path.length === this.path.length || path[this.path.length] === '/';
  }
}

/** Field 1, length-delimited: how Envoy's newer values begin, which hold an expiry, too. */
const ADDRESS_FIELD = 0x0a;

/** Base64 of `ip:port`, or of a message with that as its field 1. */
function decodeAddress(value: string): string | undefined {
  const bytes = Buffer.from(value, 'base64');
  const text = bytes[0] === ADDRESS_FIELD ? bytes.subarray(2, 2 + (bytes[1] ?? 0)) : bytes;
  const address = splitHostPort(text.toString('latin1'));
  return address && isIP(address.host) !== 0 ? formatAddress(address.host, address.port) : undefined;
}
