import { type DecisionContext, type Placement, place } from '../../src/routing/decide.js';
import type { Pin } from '../../src/routing/pins.js';
import type { RequestView } from '../../src/routing/request-view.js';
import type { SessionKey } from '../../src/routing/session-key.js';
import type { Affinity, Route, VirtualHost } from '../../src/routing/table.js';

/** A session as it comes to a decision. */
export interface Session {
  /** With the salt. */
  readonly hash: bigint;
  /** Without it. */
  readonly pinHash: bigint;
  readonly pin: Pin | undefined;
  /** In [0, 1): what chance says where it decides. */
  readonly chance: number;
}

/** Decides requests of sessions on one route, of which only the hash is known and not the key. */
export class SessionProbe {
  private readonly route: Route;
  private readonly context: DecisionContext;
  private session: Session = { hash: 0n, pinHash: 0n, pin: undefined, chance: 0 };

  /** @param request some request that the route takes */
  constructor(
    private readonly host: VirtualHost,
    route: Route,
    private readonly request: RequestView,
  ) {
    this.route = this.withHash(route);
    this.context = { nowMs: 0, random: () => this.session.chance, findPin: () => this.session.pin };
  }

  /** Undefined: nothing that the session may go to has an endpoint. */
  place(session: Session): Placement | undefined {
    this.session = session;
    const placed = place(this.host, this.route, this.request, this.context);
    return placed.endpoint === undefined ? undefined : placed;
  }

  /** The same route for sessions whose hash is known without their key. */
  private withHash(route: Route): Route {
    if (route.affinity === undefined) return route;
    const find = (): SessionKey => ({
      hash: this.session.hash,
      pinHash: this.session.pinHash,
      source: { kind: 'header', name: '' },
      cookie: undefined,
    });
    const keys = { find, appCookies: [] } as unknown as Affinity['keys'];
    return { ...route, affinity: { ...route.affinity, keys } };
  }
}

/** The pin that a session without one has after this placement. */
export function pinAfter({ route: { affinity }, pinTo, endpoint }: Placement): Pin | undefined {
  return pinTo && affinity?.digests.pin(pinTo, endpoint.address);
}
