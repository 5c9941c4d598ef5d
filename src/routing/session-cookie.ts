import { LONGEST_MAX_AGE_S } from '../http/cookies.js';
import type { CookieConfig } from '../xds/hash-policy.js';
import { type CookieSession, formatSessionCookie } from './pins.js';

/** Session cookies: the keys that are made for them, how old they are, and how they are written (S6, S7). */

/** Bytes of a key: when it was made, in seconds since 1970, and then what no client can guess. */
const TIME_BYTES = 4;
export const RANDOM_BYTES = 12;
/** 22 characters hold four bits more than the 16 bytes need. These say that the key begins with a time. */
const DATED = 0x10;
const DATED_MASK = 0xf0;
const KEY_LENGTH = 22;

/**
 * Makes a session key, 22 characters of base64url. It says when it was made, so that a new cookie is the key alone,
 * which Envoy hashes as we do.
 *
 * @param random {@link RANDOM_BYTES} bytes
 * @param nowS seconds since 1970
 */
export function newSessionKey(random: Uint8Array, nowS: number): string {
  const bytes = Buffer.alloc(TIME_BYTES + RANDOM_BYTES + 1);
  bytes.writeUInt32BE(nowS >>> 0);
  bytes.set(random, TIME_BYTES);
  bytes[TIME_BYTES + RANDOM_BYTES] = DATED;
  return bytes.toString('base64url').slice(0, KEY_LENGTH);
}

/** When a key was made, in seconds since 1970; undefined: it does not say. */
function keyMadeAt(key: string): number | undefined {
  const bytes = Buffer.from(`${key}A`, 'base64url');
  const mark = bytes[TIME_BYTES + RANDOM_BYTES];
  return mark !== undefined && (mark & DATED_MASK) === DATED ? bytes.readUInt32BE() : undefined;
}

/** What a client is told to keep a cookie for, in seconds; 0: as long as its browser session lasts. */
export function maxAgeS({ ttlMs }: CookieConfig): number {
  return ttlMs > 0 ? Math.max(1, Math.round(ttlMs / 1000)) : 0;
}

/**
 * S6: a cookie is renewed once half of its time is over. A time that is as far ahead counts like one in the past:
 * a clock that is ahead of this one by less than half the time ends no session, and a client that writes a time of
 * its own gets a right one. A cookie of ours that says no time is renewed at once; one that an Envoy has made is not
 * ours to renew.
 */
export function isRenewalDue(config: CookieConfig, { key, issuedS }: CookieSession, nowS: number): boolean {
  const wholeS = Math.min(maxAgeS(config), LONGEST_MAX_AGE_S);
  if (wholeS === 0) return false;
  if (issuedS === undefined && key.length !== KEY_LENGTH) return false;
  const issued = issuedS ?? keyMadeAt(key);
  return issued === undefined || Math.abs(nowS - issued) * 2 >= wholeS;
}

/** The `Set-Cookie` value that gives a client its session (S7). `overTls`: how the client's request came. */
export function formatSetCookie(cookie: CookieConfig, session: CookieSession, overTls: boolean): string {
  let text = `${cookie.name}=${formatSessionCookie(session)}`;
  if (cookie.path !== '') text += `; Path=${cookie.path}`;
  if (cookie.domain !== '') text += `; Domain=${cookie.domain}`;
  if (cookie.ttlMs > 0) text += `; Max-Age=${maxAgeS(cookie)}`;
  if (cookie.sameSite !== '') text += `; SameSite=${cookie.sameSite}`;
  if (cookie.secure === 'always' || (cookie.secure === 'auto' && overTls)) text += '; Secure';
  if (cookie.httpOnly) text += '; HttpOnly';
  return text;
}
