/**
 * What one client wants of one resource type, and what has to be sent because of a request. Pure bookkeeping:
 * it knows names, not resources. The rules are the xDS protocol's ("The xDS REST and gRPC protocol").
 */

const WILDCARD = '*';

/** Most names that one client may ask for of one type; a client that wants more is refused. */
export const MAX_SUBSCRIBED_NAMES = 100_000;

/** A client asked for more names than it may. */
export class TooManyNamesError extends Error {
  constructor() {
    super(`a client may subscribe to at most ${MAX_SUBSCRIBED_NAMES} names of one type`);
    this.name = 'TooManyNamesError';
  }
}

/** The names that one client is subscribed to. */
export class Subscription {
  private readonly names = new Set<string>();
  private everything = false;

  get wildcard(): boolean {
    return this.everything;
  }

  get explicitNames(): ReadonlySet<string> {
    return this.names;
  }

  /** There is nothing that the client wants. */
  get isEmpty(): boolean {
    return !this.everything && this.names.size === 0;
  }

  /** Whether the client is to be told about a resource. */
  covers(name: string): boolean {
    return this.everything || this.names.has(name);
  }

  subscribe(name: string): void {
    if (name === WILDCARD) this.everything = true;
    else this.names.add(name);
    if (this.names.size > MAX_SUBSCRIBED_NAMES) throw new TooManyNamesError();
  }

  unsubscribe(name: string): void {
    if (name === WILDCARD) this.everything = false;
    else this.names.delete(name);
  }
}

/** What a delta request asks to be answered. */
export interface DeltaDemand {
  /** Send everything (a wildcard was just asked for). */
  readonly everything: boolean;
  /** Send these, or say that they do not exist. */
  readonly names: readonly string[];
}

/**
 * Applies a delta request's names. Subscribing to a name that is held already, the wildcard included, asks for it
 * again; unsubscribing a name that a wildcard still covers needs an answer, too.
 *
 * @param legacyWildcard the request is the first of its type on the stream and names nothing, which for
 *   listeners and clusters has always meant everything
 */
export function applyDelta(
  subscription: Subscription,
  subscribe: readonly string[],
  unsubscribe: readonly string[],
  legacyWildcard: boolean,
): DeltaDemand {
  if (legacyWildcard) subscription.subscribe(WILDCARD);
  for (const name of subscribe) subscription.subscribe(name);
  for (const name of unsubscribe) subscription.unsubscribe(name);
  const answered = [...subscribe, ...unsubscribe].filter(
    (name) => name !== WILDCARD && subscription.covers(name),
  );
  return {
    everything: subscription.wildcard && (legacyWildcard || subscribe.includes(WILDCARD)),
    names: [...new Set(answered)],
  };
}

/**
 * Applies a state-of-the-world request's names, which are always the full list.
 *
 * @param wildcardWhenEmpty an empty list means everything: no name was ever sent for this type on this stream
 * @returns the names that are new; `*` among them if everything is newly wanted.
 */
export function applySotw(
  subscription: Subscription,
  names: readonly string[],
  wildcardWhenEmpty: boolean,
): readonly string[] {
  const wanted = new Set(names.length === 0 && wildcardWhenEmpty ? [WILDCARD] : names);
  const isNew = (name: string) =>
    name === WILDCARD ? !subscription.wildcard : !subscription.explicitNames.has(name);
  const added = [...wanted].filter(isNew);
  for (const name of [...subscription.explicitNames]) if (!wanted.has(name)) subscription.unsubscribe(name);
  if (!wanted.has(WILDCARD)) subscription.unsubscribe(WILDCARD);
  for (const name of wanted) subscription.subscribe(name);
  return added;
}
