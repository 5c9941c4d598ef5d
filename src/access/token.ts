import { createHash, randomBytes } from 'node:crypto';

/** 256 bits: more than can be guessed, so one round of SHA-256 keeps it (nothing slower is needed, as for passwords). */
const TOKEN_BYTES = 32;
/** Makes a token that has strayed into a repository recognizable to scanners. */
const PREFIX = 'roost_';

/** Longest token taken, in characters. */
export const MAX_TOKEN_LENGTH = 256;

/** A new secret: `roost_` and 43 characters of base64url. */
export function newToken(): string {
  return `${PREFIX}${randomBytes(TOKEN_BYTES).toString('base64url')}`;
}

/** SHA-256 of a token, as credential files have it in hexadecimal. */
export function digestOfToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
