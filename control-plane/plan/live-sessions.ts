import { newcomerTag, saltTag, sessionTag } from '../../src/routing/session-key.js';
import type { Affinity, Route, VirtualHost } from '../../src/routing/table.js';
import type { KeySourceConfig } from '../../src/xds/hash-policy.js';
import type { HeldSession } from '../../src/xds/session-survey.js';
import type { LiveSessions, SessionsWanted } from '../load/session-survey.js';

/** A session that some sidecar holds. */
export interface LiveSession {
  /**
   * With the salt. Undefined: the service has one, and no sidecar that knows the key has said what that makes of it.
   */
  readonly hash: bigint | undefined;
  /** Without the salt. */
  readonly pinHash: bigint;
  readonly pin: HeldSession['pin'];
  readonly idleMs: number;
  /** Where its key came from. */
  readonly source: KeySourceConfig;
}

/** What to ask sidecars for: the sessions that requests of this service find, by any of its routes. */
export function sessionsWanted({ routes }: VirtualHost): SessionsWanted {
  const affinities = [...new Set(routes.flatMap(({ affinity }) => affinity ?? []))];
  const tags = affinities.flatMap((affinity) => [...sourcesByTag(affinity).keys()]);
  return {
    tags: [...new Set(tags.flatMap((tag) => [tag, newcomerTag(tag)]))],
    ttlMs: Math.max(0, ...affinities.map(({ ttlMs }) => ttlMs)),
  };
}

/** The sessions that sidecars hold, by what they are known by. */
export class SessionIndex {
  private readonly byTag = new Map<number, HeldSession[]>();
  /** Routes that keep sessions in the same way share one affinity. */
  private readonly found = new Map<Affinity, readonly LiveSession[]>();

  constructor(readonly live: LiveSessions) {
    for (const session of live.sessions) {
      const others = this.byTag.get(session.tag);
      if (others === undefined) this.byTag.set(session.tag, [session]);
      else others.push(session);
    }
  }

  /**
   * The sessions that requests of this route find. Clients that keep no cookies begin a session with every call:
   * sessions that have called once count only where there are no others.
   */
  of({ affinity }: Route): readonly LiveSession[] {
    if (affinity === undefined) return [];
    const found = this.found.get(affinity) ?? this.find(affinity);
    this.found.set(affinity, found);
    return found;
  }

  private find(affinity: Affinity): LiveSession[] {
    const known = this.tagged(affinity, (tag) => tag);
    return known.length > 0 ? known : this.tagged(affinity, newcomerTag);
  }

  private tagged(affinity: Affinity, variant: (tag: number) => number): LiveSession[] {
    return [...sourcesByTag(affinity)].flatMap(([tag, source]) =>
      (this.byTag.get(variant(tag)) ?? []).map((session) => {
        const { key, pin, idleMs } = session;
        return { hash: hashOf(session, affinity), pinHash: key ^ affinity.scope, pin, idleMs, source };
      }),
    );
  }
}

function hashOf({ key, saltedHash, salt }: HeldSession, affinity: Affinity): bigint | undefined {
  const { keys, scope } = affinity;
  if (keys.seed === 0n) return key ^ scope;
  const isKnown = saltedHash !== 0n && salt === saltTag(keys.seed);
  return isKnown ? saltedHash : undefined;
}

function sourcesByTag({ scope, keys }: Affinity): Map<number, KeySourceConfig> {
  return new Map(keys.sources.map((source) => [sessionTag(scope, source), source]));
}

/** `header x-user-id`, for people. */
export function describeSources(sources: readonly KeySourceConfig[]): string {
  return sources
    .map((source) => {
      if (source.kind === 'cookie') return `cookie ${source.cookie.name}`;
      return 'name' in source ? `${source.kind} ${source.name}` : source.kind.replace('source-', 'source ');
    })
    .join(', ');
}
