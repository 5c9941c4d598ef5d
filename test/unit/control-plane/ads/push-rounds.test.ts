import { deepEqual, equal, ok } from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { resourceStatuses } from '../../../../control-plane/ads/resource-status.js';
import { type MeshService, parseMeshService, type ServiceKey } from '../../../../src/model/mesh-service.js';
import { PUSH_ORDER, type ResourceKind } from '../../../../src/xds/resource-types.js';
import { holdsWhatIsDue, PlayedClient, PlayedServer } from '../../../support/ads-play.js';
import { meshService } from '../../../support/shop.js';

/** `pods.shop`, whose releases have live endpoints. */
function livePods(...releases: string[]): MeshService {
  const service = parseMeshService(meshService('pods.shop', { v1: 1 }));
  const versions = releases.map((name) => ({ name, selector: { version: name } }));
  return { ...service, spec: { ...service.spec, versions } };
}

const CLIENTS = [
  ['shop', 'roost'],
  ['shop', 'roost'],
  ['other', 'roost'],
  ['shop', 'envoy'],
] as const;

/** A server, its clients, and what each client has been sent. */
class Play {
  readonly server = new PlayedServer();
  readonly clients = CLIENTS.map(([namespace, agent]) => new PlayedClient(this.server, namespace, agent));
  readonly sent: string[][] = CLIENTS.map(() => []);

  constructor(private readonly everyone: boolean) {}

  do(step: Step): void {
    const { server } = this;
    if ('apply' in step) server.apply(meshService(step.apply, step.split, step.spec));
    else if ('pods' in step) server.applyServices(livePods(...step.pods));
    else if ('remove' in step) server.delete(step.remove);
    else if ('forget' in step) server.forget();
    else if ('see' in step) this.see(step.see, step.hosts);
    else if ('ask' in step) this.ask(step);
    else if ('take' in step) while (this.take(step.take));
    else for (const stream of this.beginRound()) stream.push();
  }

  /** Who asks for clusters and not for their endpoints is owed these, and visited in every round: the first two are not. */
  private ask({ ask, who, sub, unsub }: Extract<Step, { readonly ask: ResourceKind }>): void {
    if (ask !== 'cluster' || who > 1) this.clients[who]?.ask(ask, sub, unsub);
  }

  /** As in the version without an index, everyone is visited, and nobody is at a common front. */
  beginRound(): readonly { push(): void }[] {
    return this.everyone ? this.clients.map(({ stream }) => stream) : this.server.beginRound();
  }

  take(who: number): boolean {
    const response = this.clients[who]?.take();
    if (response === undefined) return false;
    const { typeUrl, resources, removedResources: gone } = response;
    const versions = resources.map(({ name, version }) => `${name}@${version}`);
    this.sent[who]?.push(`${typeUrl} ${versions.sort().join(' ')} gone: ${[...gone].sort().join(' ')}`);
    return true;
  }

  takeAll(): void {
    for (const who of CLIENTS.keys()) while (this.take(who));
  }

  private see(release: string, hosts: readonly number[]): void {
    const endpoints = hosts.map((host) => ({ address: `10.0.0.${host}`, port: 80 }));
    this.server.live.update([{ service: 'shop/pods', release, endpoints }]);
  }
}

type Step =
  | { readonly apply: string; readonly split: Record<string, number>; readonly spec: object }
  | { readonly pods: readonly string[] }
  | { readonly remove: ServiceKey }
  | { readonly forget: true }
  | { readonly see: string; readonly hosts: readonly number[] }
  | {
      readonly ask: ResourceKind;
      readonly who: number;
      readonly sub: readonly string[];
      readonly unsub: readonly string[];
    }
  | { readonly take: number }
  | { readonly round: true };

const NAMES: Record<ResourceKind, readonly string[]> = {
  listener: ['*', 'a.shop', 'a', 'b.shop:8080', 'x.test', 'pods.shop', 'nosuch'],
  route: ['*', 'shop/a', 'shop/b', 'outbound', 'shop/pods', 'nosuch'],
  cluster: ['*', 'shop/a/v1', 'shop/a/v2', 'shop/pods/v1', 'nosuch'],
  endpoint: ['*', 'shop/a/v1', 'shop/b/v2', 'shop/pods/v1', 'shop/pods/v2', 'nosuch'],
};
const WITHOUT_WILDCARD = ['a', 'b.shop:8080', 'x.test', 'outbound'];
const who = fc.nat(CLIENTS.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    apply: fc.constantFrom('a.shop', 'b.shop'),
    split: fc.constantFrom({ v1: 1 }, { v1: 9, v2: 1 }, { v2: 1 }) as fc.Arbitrary<Record<string, number>>,
    spec: fc.constantFrom({}, { hosts: ['x.test'] }, { loadBalancer: 'maglev' }),
  }),
  fc.record({ pods: fc.constantFrom(['v1'], ['v1', 'v2']) }),
  fc.record({ see: fc.constantFrom('v1', 'v2'), hosts: fc.subarray([1, 2, 3]) }),
  fc.record({ remove: fc.constantFrom<ServiceKey>('shop/a', 'shop/b', 'shop/pods') }),
  fc.constant<Step>({ forget: true }),
  fc.constantFrom(...PUSH_ORDER).chain((kind) =>
    fc.record({
      ask: fc.constant(kind),
      who,
      sub: fc.subarray([...NAMES[kind]]),
      unsub: fc.subarray(NAMES[kind].filter((name) => !WITHOUT_WILDCARD.includes(name))),
    }),
  ),
  { weight: 6, arbitrary: fc.record({ take: who }) },
  { weight: 4, arbitrary: fc.constant<Step>({ round: true }) },
);

t.test('a round that visits the clients concerned sends what one that visits everyone sends', async (t) => {
  let [visits, all] = [0, 0];
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 80 }), (steps) => {
      const [indexed, everyone] = [new Play(false), new Play(true)];
      for (const each of [...steps, { round: true } as const]) {
        for (const play of [indexed, everyone]) play.do(each);
        if (!('round' in each)) continue;
        deepEqual(
          indexed.clients.map(({ handed }) => handed.length),
          everyone.clients.map(({ handed }) => handed.length),
        );
        deepEqual(indexed.clients.map(progressOf), everyone.clients.map(progressOf));
        for (const [i, client] of indexed.clients.entries())
          comparePositions(client, everyone.clients[i] as PlayedClient);
        visits += indexed.server.source.front.apart.size;
        all += CLIENTS.length;
      }
      for (const play of [indexed, everyone]) play.takeAll();
      deepEqual(indexed.sent, everyone.sent);
    }),
    { numRuns: 100 },
  );
  t.ok(visits < all * 0.5, `${visits} of ${all} clients are not at the front after a round`);
});

/** What the API says of a client's resources. */
function progressOf({ stream, source }: PlayedClient): string[] {
  return resourceStatuses(stream, source).map(({ kind, name, progress }) => `${kind} ${name} ${progress}`);
}

/** A client that does not read is visited in vain. Where nothing concerns it, it is at the front all the same. */
function comparePositions({ stream, source }: PlayedClient, { stream: visited }: PlayedClient): void {
  const { revision } = source.snapshot;
  const isBlocked = stream.stalledForMs(Number.POSITIVE_INFINITY) > 0;
  ok(stream.sequence >= visited.sequence);
  if (isBlocked) return;
  equal(stream.holdsRoutes, visited.holdsRoutes);
  // Its routes wait at the place where it was when it was last told of some.
  if (stream.holdsRoutes) return;
  equal(stream.sequence, visited.sequence);
  equal(stream.settled(revision), visited.settled(revision));
}

t.test('whatever happens in the middle of rounds, in the end each client holds what there is', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(step, fc.constant('visit' as const)), { minLength: 20, maxLength: 80 }),
      (steps) => {
        const play = new Play(false);
        let waiting = new Set<{ push(): void }>();
        for (const each of steps) {
          if (each === 'visit') {
            const [next] = waiting;
            if (next === undefined) continue;
            waiting.delete(next);
            next.push();
          } else if ('round' in each) {
            // A round begins when the one before is over.
            for (const next of waiting) next.push();
            waiting = new Set(play.beginRound());
          } else play.do(each);
        }
        for (const next of waiting) next.push();
        for (let rounds = 0; rounds < 3; rounds++) {
          play.takeAll();
          // Envoy's routes wait no longer than this.
          play.server.nowMs += 5000;
          play.do({ round: true });
        }
        play.takeAll();
        play.do({ round: true });
        for (const client of play.clients) ok(holdsWhatIsDue(client, play.server));
        for (const { stream } of play.clients) equal(stream.sequence, play.server.snapshot.sequence);
      },
    ),
    { numRuns: 100 },
  );
});

t.test('a change is taken to those who hold what has changed, and all others move on', async (t) => {
  const server = new PlayedServer();
  server.apply(meshService('a.shop'), meshService('b.shop'));
  const [a, b, all] = [new PlayedClient(server), new PlayedClient(server), new PlayedClient(server)];
  for (const client of [a, b, all])
    client.ask('endpoint', client === all ? ['*'] : [client === a ? 'shop/a/v1' : 'shop/b/v1']);
  for (const client of [a, b, all]) client.takeAll();
  for (const stream of server.beginRound()) stream.push();
  server.apply(
    meshService('a.shop', { v1: 1 }, { versions: [{ name: 'v1', endpoints: [{ address: '10.7.7.7:1' }] }] }),
  );
  const visited = server.beginRound();
  t.same(visited, [a.stream, all.stream]);
  t.ok(b.stream.settled(server.snapshot.revision), 'those who wait for it do not wait for others');
  t.notOk(a.stream.settled(server.snapshot.revision));
  for (const stream of visited) stream.push();
  for (const client of [a, all]) client.takeAll();
  t.ok(a.stream.settled(server.snapshot.revision));
  a.stream.forget();
  server.apply(meshService('a.shop', { v1: 1 }, { hosts: ['x.test'], loadBalancer: 'maglev' }));
  server.delete('shop/a');
  server.forget();
  t.same(server.beginRound(), [all.stream], 'a client that has left is not looked for');
});
