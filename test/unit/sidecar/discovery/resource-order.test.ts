import fc from 'fast-check';
import t from 'tap';
import { type EncodedResource, translateService } from '../../../../control-plane/translate/service.js';
import { ListenerDemand } from '../../../../sidecar/discovery/listener-demand.js';
import { MeshConfiguration } from '../../../../sidecar/discovery/mesh-configuration.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { findRoute, place } from '../../../../src/routing/decide.js';
import { plainRequest } from '../../../../src/routing/request-view.js';
import { createLogger } from '../../../../src/telemetry/logger.js';
import type { ResourceKind } from '../../../../src/xds/resource-types.js';
import { quietRegistry } from '../../../support/cluster-registry.js';
import { NO_COOKIES, pinsFor } from '../../../support/session-pins.js';
import { user } from '../../../support/shop.js';

/**
 * One change of a service is several resources, which arrive one after the other, and requests come in between. In
 * whatever order they arrive, a session that has no reason to move before the change and after it does not move in
 * between, and no request finds nothing to go to.
 */

t.setTimeout(300_000);

const RELEASES = ['a', 'b', 'c'] as const;
const PODS = 7;
const sessions = Array.from({ length: 40 }, (_, i) => i);

interface Shape {
  /** Of each pod, the release that it is in, or -1. */
  readonly releaseOf: readonly number[];
  /** Of each release; undefined: the split does not list it. */
  readonly weights: readonly (number | undefined)[];
  readonly label: number | undefined;
  readonly routeName: string;
}

const address = (pod: number) => `10.0.0.${pod + 1}:80`;
const has = ({ releaseOf }: Shape, release: number) => releaseOf.includes(release);
const lists = ({ weights }: Shape, release: number | undefined) =>
  release !== undefined && release !== -1 && weights[release] !== undefined;

const shape: fc.Arbitrary<Shape> = fc
  .record({
    // The first pod of each release stays where it is, so that every release that is listed has one.
    others: fc.array(fc.integer({ min: -1, max: 2 }), { minLength: PODS - 3, maxLength: PODS - 3 }),
    weights: fc.tuple(...RELEASES.map(() => fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined }))),
    hasThird: fc.boolean(),
    label: fc.option(fc.integer({ min: 0, max: 1 }), { nil: undefined }),
    routeName: fc.constantFrom('main', 'other'),
  })
  .map(({ others, weights, hasThird, label, routeName }) => ({
    releaseOf: [
      0,
      1,
      hasThird ? 2 : -1,
      ...others.map((release) => (release === 2 && !hasThird ? -1 : release)),
    ],
    weights: hasThird ? weights : [...weights.slice(0, 2), undefined],
    label,
    routeName,
  }))
  .filter(({ weights }) => weights.some((weight) => (weight ?? 0) > 0));

function resourcesOf(of: Shape): readonly EncodedResource[] {
  const present = RELEASES.flatMap((name, release) => (has(of, release) ? [{ name, release }] : []));
  const split = present.flatMap(({ name, release }) => {
    const weight = of.weights[release];
    return weight === undefined ? [] : [{ version: name, weight }];
  });
  const labelRoute = {
    name: 'label',
    match: [{ headers: [{ name: 'x-label', exact: 'yes' }] }],
    split: [{ version: RELEASES[of.label ?? 0], weight: 1 }],
  };
  const service = parseMeshService({
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: 'checkout', namespace: 'shop' },
    spec: {
      port: 8080,
      versions: present.map(({ name, release }) => ({
        name,
        endpoints: of.releaseOf.flatMap((each, pod) => (each === release ? [{ address: address(pod) }] : [])),
      })),
      routes: [...(of.label === undefined ? [] : [labelRoute]), { name: of.routeName, split }],
      affinity: { key: [{ header: 'x-user-id' }], version: 'persistent', endpoint: 'persistent' },
    },
  });
  const { shared, localRoutes } = translateService(service, {
    pinSecret: Buffer.alloc(32, 7),
    incarnation: (_, release) => release,
  });
  return [...shared, localRoutes];
}

/** One response of the control plane: resources of one kind, and names of those that are gone. */
interface Delivery {
  readonly kind: ResourceKind;
  readonly resources: readonly EncodedResource[];
  readonly removed: readonly string[];
}

/** In the order in which ours sends them; what is gone comes last. */
function deliveriesOf(before: readonly EncodedResource[], after: readonly EncodedResource[]): Delivery[] {
  const changed = after.filter(
    ({ kind, name, bytes }) =>
      !before.some((old) => old.kind === kind && old.name === name && old.bytes.equals(bytes)),
  );
  const gone = before.filter(
    ({ kind, name }) => !after.some((each) => each.kind === kind && each.name === name),
  );
  const kinds: readonly ResourceKind[] = ['cluster', 'endpoint', 'listener', 'route'];
  const arriving = kinds.map((kind) => ({
    kind,
    resources: changed.filter((each) => each.kind === kind),
    removed: [],
  }));
  const leaving = kinds.map((kind) => ({
    kind,
    resources: [],
    removed: gone.filter((each) => each.kind === kind).map(({ name }) => name),
  }));
  return [...arriving, ...leaving].filter(({ resources, removed }) => resources.length + removed.length > 0);
}

class Sidecar {
  private readonly pins = pinsFor(1000);
  private readonly configuration: MeshConfiguration;

  constructor() {
    const log = createLogger('test', 'silent');
    const clusters = quietRegistry(() => 0);
    const rest = { subscribe() {}, nowMs: () => 0, log };
    const demand = new ListenerDemand({ dependencies: undefined, own: '', onDemand: undefined, ...rest });
    this.configuration = new MeshConfiguration({ clusters, demand, ...rest });
  }

  take({ kind, resources, removed }: Delivery): void {
    const received = resources.map(({ name, bytes }) => ({ name, version: '1', bytes }));
    const refused = this.configuration.onResources(kind, received, removed);
    if (refused.length > 0) throw new Error(JSON.stringify(refused));
  }

  /** The pod that answers a session. */
  call(session: number): string {
    const host = this.configuration.table?.find('checkout.shop');
    const request = plainRequest({ headers: user(session) });
    const route = host && findRoute(host, request, Math.random);
    if (host === undefined || route === undefined) throw new Error('no route');
    const context = { nowMs: 0, random: Math.random, findPin: this.pins.find.bind(this.pins) };
    const placed = place(host, route, request, context);
    if (placed.endpoint === undefined) throw new Error(`nothing to go to in ${placed.release.name}`);
    this.pins.keep(placed, placed.endpoint, NO_COOKIES);
    return placed.endpoint.address;
  }
}

/** Delivers a change piece by piece; sessions call in between. @returns the first session that should not have moved */
function firstToMove(
  before: Shape,
  after: Shape,
  order: (deliveries: Delivery[]) => Delivery[],
  stays: (was: number, is: number) => boolean,
): number | undefined {
  const sidecar = new Sidecar();
  const old = resourcesOf(before);
  for (const delivery of deliveriesOf([], old)) sidecar.take(delivery);
  const homes = sessions.map((n) => sidecar.call(n));
  const staying = sessions.filter((n) => {
    const pod = Array.from({ length: PODS }, (_, i) => address(i)).indexOf(homes[n] as string);
    return stays(before.releaseOf[pod] as number, after.releaseOf[pod] as number);
  });
  for (const delivery of order(deliveriesOf(old, resourcesOf(after)))) {
    sidecar.take(delivery);
    const moved = sessions.filter((n) => sidecar.call(n) !== homes[n]);
    const wrong = moved.find((n) => staying.includes(n));
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

t.test('S6: pins survive one change whose resources arrive in any order', async () => {
  const order = fc.array(fc.nat(100), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(shape, shape, order, (before, after, ranks) => {
      const shuffled = (deliveries: Delivery[]) =>
        deliveries
          .map((delivery, i) => ({ delivery, rank: ranks[i] as number }))
          .sort((a, b) => a.rank - b.rank)
          .map(({ delivery }) => delivery);
      // Whichever of the two have arrived: the pod's release is in the split.
      const stays = (was: number, is: number) =>
        [was, is].every((release) => lists(before, release) && lists(after, release));
      return firstToMove(before, after, shuffled, stays) === undefined;
    }),
    { numRuns: 300 },
  );
});

t.test(
  'S6: in the order in which they are sent, pods that change roles keep their sessions besides',
  async () => {
    fc.assert(
      fc.property(shape, shape, (before, after) => {
        // Endpoints come before routes: promotion hands the canary's pods to stable, whose split lists it all the time.
        const stays = (was: number, is: number) =>
          lists(before, was) && lists(before, is) && lists(after, is) && is !== -1;
        return firstToMove(before, after, (deliveries) => deliveries, stays) === undefined;
      }),
      { numRuns: 300 },
    );
  },
);
