import { type DecisionContext, findRoute, type place, placeAgain } from '../../../src/routing/decide.js';
import type { Endpoint } from '../../../src/routing/endpoint-set.js';
import type { Release } from '../../../src/routing/release.js';
import type { RequestView } from '../../../src/routing/request-view.js';
import type { Route } from '../../../src/routing/table.js';
import type { SimSidecar } from '../fleet/sim-sidecar.js';
import type { Attempt } from '../oracle/attempts.js';
import type { Pods } from '../world/pods.js';

/** The decision under test; {@link place} unless somebody breaks it on purpose. */
export type Decide = typeof place;

export interface SendOptions {
  readonly sidecar: SimSidecar;
  readonly service: number;
  readonly authority: string;
  readonly request: RequestView;
  readonly context: DecisionContext;
  readonly decide: Decide;
  readonly pods: Pods;
  /** Lets a call wait for the pins of a service that its sidecar is about to be told of (S6). */
  waitFor(service: string, key: bigint): void;
}

export interface Sent {
  readonly attempts: readonly Attempt[];
  readonly answered: boolean;
  readonly route: Route;
  /** Value of the `Set-Cookie` that the response carries. */
  readonly setCookie: string | undefined;
}

/** Simulated pods set no cookies. */
const NO_FIELDS = { headerValues: () => [] };

/** Sends one request the way the sidecar's outbound side does: decide, try, and go on where a pod refuses. */
export function send(options: SendOptions): Sent {
  const { sidecar, service, authority, request, context, decide, pods } = options;
  const host = sidecar.services[service]?.routes.table.find(authority);
  const route = host && findRoute(host, request, context.random);
  if (host === undefined || route === undefined) throw new Error(`no route for ${authority}`);
  const attempts: Attempt[] = [];
  const tried: Endpoint[] = [];
  const refused: Release[] = [];
  awaitPin(options, decide(host, route, request, context, refused));
  for (;;) {
    const placement = decide(host, route, request, context, refused);
    if (placement.endpoint === undefined) return { attempts, answered: false, route, setCookie: undefined };
    let endpoint: Endpoint | undefined = placement.endpoint;
    while (endpoint !== undefined) {
      const pod = pods.at(endpoint.address);
      const { release, failedOverFrom } = placement;
      attempts.push({ release: release.name, pod, failedOverFrom: failedOverFrom?.name });
      if (pod.alive) {
        return {
          attempts,
          answered: true,
          route,
          setCookie: sidecar.pins.keep(placement, endpoint, NO_FIELDS),
        };
      }
      tried.push(endpoint);
      endpoint = placeAgain(placement, tried, context.random);
    }
    refused.push(placement.release);
  }
}

/** As the sidecar does where a session has no pin here: once, and before anything is sent. */
function awaitPin({ waitFor }: SendOptions, placed: ReturnType<Decide>): void {
  if (placed.endpoint === undefined) return;
  const { session, pin, route } = placed;
  const { affinity } = route;
  if (pin !== undefined || session === undefined || session.cookie !== undefined || !affinity?.sharesPins)
    return;
  waitFor(affinity.service, session.pinHash ^ affinity.scope);
}

/** What the sidecar learns from a request: which pods refuse, and which answer again. */
export function learn(
  sidecar: SimSidecar,
  service: number,
  { attempts, answered }: Pick<Sent, 'attempts' | 'answered'>,
): void {
  const { slots } = (sidecar.services[service] as SimSidecar['services'][number]).routes;
  attempts.forEach(({ release, pod }, i) => {
    const cluster = sidecar.cluster(service, slots.get(release) ?? -1);
    if (answered && i === attempts.length - 1) cluster.reached(pod, sidecar.nowMs());
    else sidecar.refused(cluster, pod);
  });
}
