import { identityOf } from '../../src/routing/session-key.js';
import type { Affinity } from '../../src/routing/table.js';
import type { KeySourceConfig } from '../../src/xds/hash-policy.js';

/** What a session brings along from one affinity to another. */
export interface CarryOver {
  /** Its key is one on the other side, too. */
  readonly key: boolean;
  /** Its hash with the salt: where it belongs without a pin. */
  readonly hash: boolean;
  readonly pin: boolean;
}

export const NOTHING: CarryOver = { key: false, hash: false, pin: false };

/** Sessions that bring the same along. */
export interface Carried {
  readonly kept: CarryOver;
  /** Where their keys come from. */
  readonly sources: readonly KeySourceConfig[];
}

/**
 * A session keeps what its own source keeps: where its source stays, it is the same session, whatever becomes of the
 * others. Pins are found whatever the salt (S4 rule 4); the session table finds them by the scope, too.
 */
export function carryOver(old: Affinity, next: Affinity, source: KeySourceConfig): CarryOver {
  const identity = identityOf(source);
  const isKnown = next.keys.sources.some((other) => identityOf(other) === identity);
  const hash = isKnown && old.keys.seed === next.keys.seed;
  return { key: isKnown, hash, pin: isKnown && (isInCookie(source) || old.scope === next.scope) };
}

/** Endpoints are picked by one hash before and after, whatever becomes of that which releases are picked by. */
export function keepsEndpointHash(old: Affinity | undefined, next: Affinity | undefined): boolean {
  return endpointSeed(old) === endpointSeed(next);
}

function endpointSeed(affinity: Affinity | undefined): bigint {
  return affinity === undefined || affinity.saltReleaseOnly ? 0n : affinity.keys.seed;
}

/** The client has the session's pin, and sidecars do not. */
export function isInCookie(source: KeySourceConfig): boolean {
  return source.kind === 'cookie' && source.cookie.mint;
}

/** The sources of the old affinity, together where they fare alike. */
export function carriedOver(old: Affinity | undefined, next: Affinity | undefined): Carried[] {
  if (old === undefined || next === undefined) return [{ kept: NOTHING, sources: [] }];
  const groups = new Map<string, { kept: CarryOver; sources: KeySourceConfig[] }>();
  for (const source of old.keys.sources) {
    const kept = carryOver(old, next, source);
    const alike = JSON.stringify(kept);
    const known = groups.get(alike);
    if (known === undefined) groups.set(alike, { kept, sources: [source] });
    else known.sources.push(source);
  }
  return [...groups.values()];
}
