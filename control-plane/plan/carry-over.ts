import { identityOf } from '../../src/routing/session-key.js';
import type { Affinity } from '../../src/routing/table.js';

/** What a session brings along from one affinity to another. */
export interface CarryOver {
  /** Its hash: where it belongs without a pin. */
  readonly hash: boolean;
  readonly pin: boolean;
}

/**
 * A session is known by its key: under another source, cookie or salt it is another session, and the session table
 * knows it no more. A cookie brings its pin along whatever it is hashed with.
 */
export function carryOver(old: Affinity | undefined, next: Affinity | undefined): CarryOver {
  if (old === undefined || next === undefined) return { hash: false, pin: false };
  const known = new Set(next.keys.sources.map(identityOf));
  const isKnown = old.keys.sources.every((source) => known.has(identityOf(source)));
  const hash = isKnown && old.keys.seed === next.keys.seed;
  const inCookies = old.keys.sources.every((source) => source.kind === 'cookie' && source.cookie.mint);
  return { hash, pin: inCookies ? isKnown : hash && old.scope === next.scope };
}
