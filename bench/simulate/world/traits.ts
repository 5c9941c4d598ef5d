import type { MeshServiceInput } from '../../../src/model/mesh-service.js';
import type { Random } from '../random.js';

export type Mode = 'none' | 'balanced' | 'persistent';
/** Where a service's session keys come from; `either` is a header, and a cookie for who sends none. */
export type KeyKind = 'header' | 'baggage' | 'query' | 'cookie' | 'either';

/** What never changes about a simulated service. */
export interface Traits {
  readonly index: number;
  readonly name: string;
  readonly namespace: string;
  readonly keys: KeyKind;
  readonly version: Mode;
  readonly endpoint: Mode;
  readonly sessionFirst: boolean;
  readonly perRoute: boolean;
  readonly salt: string | undefined;
  readonly failoverAny: boolean;
  readonly failoverRepin: string;
  readonly ttl: string;
  readonly cookieTtl: string | undefined;
  /** Canaries carry a lane. */
  readonly lane: boolean;
  readonly ignoresLanes: boolean;
  readonly maglev: boolean;
  /** Has routes that name a release for labelled requests. */
  readonly labels: boolean;
  /** Has a route with conditions and a split of its own. */
  readonly beta: boolean;
  /** Releases are called `stable` and `canary`, and pods move from one to the other. */
  readonly roles: boolean;
  /** Pods differ in weight, and there are more of them. */
  readonly heavy: boolean;
}

const MODES: readonly Mode[] = ['none', 'balanced', 'persistent'];
const NAMESPACES = 5;

/** Any nine services in a row have every mode at both levels; any eighteen have it with headers and with cookies. */
export function makeTraits(index: number, random: Random): Traits {
  const sticky = Math.floor(index / 3) % 3 > 0;
  const cookies = index % 2 === 1;
  return {
    index,
    name: `service-${index}`,
    namespace: namespaceOf(index),
    keys: cookies ? keyOf(random, 'cookie', 'either') : keyOf(random, 'header', 'baggage', 'query'),
    version: MODES[index % 3] as Mode,
    endpoint: MODES[Math.floor(index / 3) % 3] as Mode,
    sessionFirst: random.chance(0.25),
    perRoute: random.chance(0.2),
    salt: random.chance(0.3) ? `experiment ${index}` : undefined,
    failoverAny: random.chance(0.3),
    failoverRepin: random.chance(0.7) ? '10s' : '20s',
    ttl: random.chance(0.7) ? '1h' : '3m',
    cookieTtl: random.chance(0.25) ? '10m' : undefined,
    lane: random.chance(0.4),
    ignoresLanes: random.chance(0.2),
    maglev: sticky && random.chance(0.2),
    labels: random.chance(0.6),
    beta: random.chance(0.3),
    roles: random.chance(0.2),
    heavy: random.chance(0.2),
  };
}

export function namespaceOf(index: number): string {
  return `ns-${index % NAMESPACES}`;
}

function keyOf(random: Random, usual: KeyKind, ...others: readonly KeyKind[]): KeyKind {
  return random.chance(0.7) ? usual : (random.pick(others) as KeyKind);
}

export const USER_HEADER = 'x-user-id';
export const USER_MEMBER = 'user-id';
export const USER_PARAMETER = 'uid';
export const LABEL_HEADER = 'x-label';
/** Value of a label that no route knows, and two that some do. */
export const LABELS = { qa: 'qa', beta: 'beta' } as const;

export function cookieName({ index }: Traits): string {
  return `roost-${index}`;
}

type AffinityInput = NonNullable<MeshServiceInput['spec']['affinity']>;

/** The `affinity` of a service's document. */
export function affinityOf(traits: Traits): AffinityInput {
  return {
    key: keySources(traits),
    version: traits.version,
    endpoint: traits.endpoint,
    precedence: traits.sessionFirst ? 'session' : 'split',
    scope: traits.perRoute ? 'route' : 'service',
    ...(traits.salt === undefined ? {} : { salt: traits.salt }),
    ttl: traits.ttl,
    failover: traits.failoverAny ? 'any' : 'stable',
    failoverRepin: traits.failoverRepin,
    lanes: traits.ignoresLanes ? 'ignore' : 'follow',
  };
}

function keySources(traits: Traits): AffinityInput['key'] {
  const name = cookieName(traits);
  const cookie = traits.cookieTtl === undefined ? name : { name, ttl: traits.cookieTtl };
  switch (traits.keys) {
    case 'header':
      return [{ header: USER_HEADER }];
    case 'baggage':
      return [{ baggage: USER_MEMBER }];
    case 'query':
      return [{ query: USER_PARAMETER }];
    case 'cookie':
      return [{ cookie }];
    case 'either':
      return [{ header: USER_HEADER }, { cookie }];
  }
}
