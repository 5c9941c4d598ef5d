import { type NameSet, NameSets } from './name-set.js';

/**
 * What one client wants of one resource type, and what has to be sent because of a request. Pure bookkeeping:
 * it knows names, not resources. The rules are the xDS protocol's ("The xDS REST and gRPC protocol").
 */

const WILDCARD = '*';
const EVERYTHING: readonly string[] = [WILDCARD];

/** Most names that one client may ask for of one type; a client that wants more is refused. */
export const MAX_SUBSCRIBED_NAMES = 100_000;

/** Longest name; those of resources that there are have about a hundred characters. */
const MAX_NAME_LENGTH = 1024;

/** A client asked for more names than it may, or for one that no resource has. */
export class TooManyNamesError extends Error {
  constructor() {
    super(
      `a client may subscribe to at most ${MAX_SUBSCRIBED_NAMES} names of one type, of ${MAX_NAME_LENGTH} characters each`,
    );
    this.name = 'TooManyNamesError';
  }
}

/** The names that one client is subscribed to. */
export class Subscription {
  private held: NameSet;
  private everything = false;

  /** @param sets shared by all whose names may be the same */
  constructor(private readonly sets = new NameSets()) {
    this.held = sets.empty;
  }

  get wildcard(): boolean {
    return this.everything;
  }

  get explicitNames(): ReadonlySet<string> {
    return this.held.names;
  }

  /** The same, as the set that subscriptions share. */
  get nameSet(): NameSet {
    return this.held;
  }

  /** Equal for subscriptions of the same {@link NameSets} that want the same. */
  get key(): string {
    return `${this.everything ? WILDCARD : ''}${this.held.id}`;
  }

  /** There is nothing that the client wants. */
  get isEmpty(): boolean {
    return !this.everything && this.held.names.size === 0;
  }

  /** Whether the client is to be told about a resource. */
  covers(name: string): boolean {
    return this.everything || this.held.names.has(name);
  }

  /**
   * First subscribes, then unsubscribes.
   *
   * @throws TooManyNamesError
   */
  change(subscribe: readonly string[], unsubscribe: readonly string[]): void {
    if (subscribe.some(({ length }) => length > MAX_NAME_LENGTH)) throw new TooManyNamesError();
    if (subscribe.includes(WILDCARD)) this.everything = true;
    if (unsubscribe.includes(WILDCARD)) this.everything = false;
    this.held = this.sets.change(this.held, namesIn(subscribe), namesIn(unsubscribe));
    if (this.held.names.size > MAX_SUBSCRIBED_NAMES) throw new TooManyNamesError();
  }
}

/** The same list where it has no wildcard. */
function namesIn(list: readonly string[]): readonly string[] {
  return list.includes(WILDCARD) ? list.filter((name) => name !== WILDCARD) : list;
}

/** What a delta request asks to be answered. */
export interface DeltaDemand {
  /** Send everything (a wildcard was just asked for). */
  readonly everything: boolean;
  /** Send these, or say that they do not exist. Found out when it is asked for, until the subscription changes. */
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
  if (legacyWildcard) subscription.change(EVERYTHING, []);
  subscription.change(subscribe, unsubscribe);
  return {
    everything: subscription.wildcard && (legacyWildcard || subscribe.includes(WILDCARD)),
    get names() {
      const named = new Set([...namesIn(subscribe), ...namesIn(unsubscribe)]);
      return [...named].filter((name) => subscription.covers(name));
    },
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
  const given = [...subscription.explicitNames, WILDCARD].filter((name) => !wanted.has(name));
  subscription.change([...wanted], given);
  return added;
}
