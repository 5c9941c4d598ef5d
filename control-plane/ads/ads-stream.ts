import type { ServerDuplexStream } from '@grpc/grpc-js';
import { type ClientNode, readNode, UNKNOWN_NODE } from '../../src/xds/client-node.js';
import type { Message } from '../../src/xds/descriptors.js';
import { message, text } from '../../src/xds/fields.js';
import { OUTBOUND_ROUTES } from '../../src/xds/resource-names.js';
import { kindOfTypeUrl, PUSH_ORDER, type ResourceKind } from '../../src/xds/resource-types.js';
import type { ChangedNames } from '../snapshot/changed-names.js';
import type { SnapshotResource } from '../snapshot/resource.js';
import { Acknowledgements, type SentResponse } from './acknowledgements.js';
import type { AdsSource } from './ads-source.js';
import type { NameSets } from './name-set.js';
import { OwedAssignments } from './owed-assignments.js';
import { ClientPosition, type Position } from './push-front.js';
import type { ResponseMessage } from './responses.js';
import { Subscription } from './subscription.js';

export type AdsCall = ServerDuplexStream<Message, Buffer>;

/** One resource type on one stream: its own sub-stream, with its own nonces. */
export interface TypeState {
  readonly subscription: Subscription;
  readonly acks: Acknowledgements;
  /** The client has sent a request of this type. */
  requested: boolean;
  /** The client has named a resource of this type; from then on an empty list means nothing. */
  named: boolean;
}

/** What a push tells of. */
export interface Push {
  readonly changed: ChangedNames;
  /** Tells the changes from all others. */
  readonly cause: string;
  /** The revision has moved with them; false: live endpoints have changed, or what lingered is gone. */
  readonly revised: boolean;
}

/** Routes do not wait longer than this for a client to ask for endpoints. Clusters that are dropped linger longer. */
const ROUTES_WAIT_MS = 2000;
const BEFORE_ROUTES = PUSH_ORDER.filter((kind) => kind !== 'route');

/**
 * One client's stream. A variant decides what requests mean and how responses look; everything that both have
 * in common is here: identity, the position in the change log, back-pressure.
 *
 * The transport is handed one response at a time. While there is one that it has not taken, changes only move the log
 * and requests wait unread: a client that is slow or does not read costs one response, and references to what is left
 * of one push and one answer. The push that follows covers all that it missed.
 */
export abstract class AdsStream {
  node: ClientNode = UNKNOWN_NODE;
  readonly connectedAtMs: number;
  protected readonly types: Readonly<Record<ResourceKind, TypeState>>;
  protected owed = OwedAssignments.none;
  private readonly position: ClientPosition<AdsStream>;
  /** Since when its routes wait for it to ask for the endpoints of new clusters; undefined: they do not. */
  private routesWaitSinceMs: number | undefined;
  /** Responses that the transport has not taken yet, the first of which it has been handed; and when it last took one. */
  private readonly unsent: ResponseMessage[] = [];
  private movedAtMs = 0;
  /** When the client was told of the change that it has not answered yet; undefined: it has, or there was none. */
  private toldAt: number | undefined;

  constructor(
    protected readonly call: AdsCall,
    protected readonly source: AdsSource<AdsStream>,
  ) {
    this.connectedAtMs = source.nowMs();
    this.position = new ClientPosition<AdsStream>(source.front, this, source.snapshot);
    this.types = Object.fromEntries(PUSH_ORDER.map((kind) => [kind, newTypeState(source.names)])) as Record<
      ResourceKind,
      TypeState
    >;
  }

  abstract readonly protocol: 'sotw' | 'delta';

  typeState(kind: ResourceKind): Readonly<TypeState> {
    return this.types[kind];
  }

  /** It still runs something in an older form than it was sent. */
  get hasRejection(): boolean {
    for (const kind of PUSH_ORDER) if (this.types[kind].acks.rejection !== undefined) return true;
    return false;
  }

  /** The snapshot that this client has been told all of. */
  get sequence(): number {
    return this.position.routes.sequence;
  }

  /** There are routes that it is not told of yet, until it has asked for endpoints or time is up. */
  get holdsRoutes(): boolean {
    return this.routesWaitSinceMs !== undefined;
  }

  /** How long the client has taken nothing of what it is being sent. */
  stalledForMs(nowMs: number): number {
    return this.unsent.length === 0 ? 0 : nowMs - this.movedAtMs;
  }

  /** Whether everything up to a revision has been sent and answered. */
  settled(revision: number): boolean {
    return (
      this.position.routes.revision >= revision &&
      PUSH_ORDER.every((kind) => this.types[kind].acks.settled(revision))
    );
  }

  /** Since when the client owes an answer, in milliseconds since the epoch; undefined: it owes none. */
  get unansweredSinceMs(): number | undefined {
    const since = PUSH_ORDER.flatMap((kind) => this.types[kind].acks.unansweredSinceMs ?? []);
    return since.length === 0 ? undefined : Math.min(...since);
  }

  /** Handles one request. Unknown types are answered with nothing, as the protocol allows. */
  receive(request: Message): void {
    const node = message(request.node);
    if (node !== undefined && this.node === UNKNOWN_NODE) this.node = readNode(node);
    const kind = kindOfTypeUrl(text(request.typeUrl));
    if (kind === undefined) return;
    const nonce = text(request.responseNonce);
    const refusal = message(request.errorDetail);
    const { acks, subscription } = this.types[kind];
    const answered = acks.answered(nonce, refusal && text(refusal.message), this.source.nowMs());
    if (answered !== undefined) this.countAnswer(kind, refusal !== undefined);
    if (answered !== undefined && refusal !== undefined) this.sendApart(kind, answered);
    if (!this.asksNothing(kind, request)) {
      // Whatever the log holds for this client goes out first, so that answers never run ahead of it.
      this.push();
      this.answer(kind, request, nonce);
      this.source.interests.put(this, kind, subscription);
      acks.keepOnly((name) => subscription.covers(name));
      if (kind === 'cluster') this.sendNamed('endpoint', this.owedNames());
      // See push.
      if (this.owed !== OwedAssignments.none) this.stepAside();
    }
    if (this.holdsRoutes) this.push();
  }

  end(): void {
    this.call.end();
  }

  /** Sends what has changed since the last push, in make-before-break order. */
  push(): void {
    if (this.unsent.length > 0 || this.isOver) return;
    if (this.sequence !== this.source.snapshot.sequence) {
      const { pushed, routes } = this.position.stepAside();
      this.pushSince(pushed, BEFORE_ROUTES);
      if (!this.mustHoldRoutes()) this.pushSince(routes, ['route']);
      if (!this.isAnswered) this.toldAt ??= performance.now();
    }
    // What is owed comes with any push, whatever that is about: the client is visited in every round until then.
    if (this.owed === OwedAssignments.none) this.position.comeBack();
  }

  /** The next changes concern it: it keeps its position when the front moves on. */
  stepAside(): void {
    this.position.stepAside();
  }

  /** The client has left. */
  forget(): void {
    this.source.interests.drop(this);
    this.source.front.forget(this);
  }

  /** @param position is moved to the present snapshot */
  private pushSince(position: Position, kinds: readonly ResourceKind[]): void {
    const { snapshot, changes } = this.source;
    if (position.sequence === snapshot.sequence) return;
    const changed = changes.since(position.sequence);
    const cause = `${position.sequence}-${snapshot.sequence}`;
    const revised = position.revision !== snapshot.revision;
    position.sequence = snapshot.sequence;
    position.revision = snapshot.revision;
    for (const kind of kinds)
      if (this.types[kind].requested && this.mayConcern(kind, changed))
        this.sendChanged(kind, { changed, cause, revised });
  }

  /**
   * Envoy asks for the endpoints of a new cluster once it has that, and answers 503 for it until they are there; so
   * it gets routes after them. Other clients keep new routes back themselves, or learn of clusters from routes.
   */
  private mustHoldRoutes(): boolean {
    const { cluster, endpoint } = this.types;
    const isAwaited = (name: string) => !endpoint.subscription.covers(name) && !cluster.acks.isRejected(name);
    if (this.node.agent === 'envoy' && [...this.owed.names].some(isAwaited)) {
      const nowMs = this.source.nowMs();
      this.routesWaitSinceMs ??= nowMs;
      if (nowMs - this.routesWaitSinceMs < ROUTES_WAIT_MS) return true;
    }
    this.routesWaitSinceMs = undefined;
    return false;
  }

  /**
   * Envoy refuses a whole response of routes or endpoints for one resource in it, and goes on without the others (of
   * clusters and listeners it takes the good ones). Each of them is sent once more, in a response of its own: all but the bad one take effect.
   */
  private sendApart(kind: ResourceKind, { names }: SentResponse): void {
    if (this.node.agent !== 'envoy' || (kind !== 'route' && kind !== 'endpoint')) return;
    if (names === 'all' || names.length < 2) return;
    const { subscription } = this.types[kind];
    for (const name of names) if (subscription.covers(name)) this.sendNamed(kind, [name]);
  }

  /** An acknowledgement, and nothing besides. */
  protected abstract asksNothing(kind: ResourceKind, request: Message): boolean;

  protected abstract answer(kind: ResourceKind, request: Message, nonce: string): void;

  /** Sends what a push has to. */
  protected abstract sendChanged(kind: ResourceKind, push: Push): void;

  /** Sends those of the names that the client is to be told of. */
  protected abstract sendNamed(kind: ResourceKind, names: readonly string[]): void;

  /** Sends a response once all before it have been taken. */
  protected send(kind: ResourceKind, response: ResponseMessage): void {
    if (this.isOver) return;
    const { acks } = this.types[kind];
    // A nonce is used once.
    const message =
      response.nonce > Number(acks.newestNonce) ? response : response.again(this.source.nonces.next());
    this.source.figures.responses[kind]++;
    const { nonce: number, revision, revised, names } = message;
    acks.sent({ nonce: String(number), revision, revised, names, atMs: this.source.nowMs() });
    this.unsent.push(message);
    if (this.unsent.length > 1) return;
    this.movedAtMs = this.source.nowMs();
    this.call.pause();
    this.handOver(message);
  }

  protected get(kind: ResourceKind, name: string): SnapshotResource | undefined {
    return this.source.snapshot.get(kind, name, this.node.namespace);
  }

  protected list(kind: ResourceKind): readonly SnapshotResource[] {
    return this.source.snapshot.list(kind, this.node.namespace);
  }

  protected owedAfter(kind: ResourceKind, names: readonly string[]): OwedAssignments {
    return this.owed.afterSending(kind, names, (name) => this.get('endpoint', name) !== undefined);
  }

  protected isOwed(kind: ResourceKind, name: string): boolean {
    return kind === 'endpoint' && this.owed.names.has(name);
  }

  private countAnswer(kind: ResourceKind, refused: boolean): void {
    const { acknowledgements, rejections, answers } = this.source.figures;
    if (refused) rejections[kind]++;
    else acknowledgements[kind]++;
    if (this.toldAt === undefined || !this.isAnswered) return;
    answers.observe(performance.now() - this.toldAt);
    this.toldAt = undefined;
  }

  private get isAnswered(): boolean {
    return PUSH_ORDER.every((kind) => this.types[kind].acks.unanswered === 0);
  }

  private get isOver(): boolean {
    return this.call.writableEnded || this.call.destroyed;
  }

  private handOver({ bytes }: ResponseMessage): void {
    this.call.write(bytes, (error?: Error | null) => {
      if (!error) this.onTaken();
    });
  }

  private onTaken(): void {
    this.unsent.shift();
    this.movedAtMs = this.source.nowMs();
    // A write after the end would destroy the call before its status is sent, and the client would wait for ever.
    if (this.isOver) this.unsent.length = 0;
    const [next] = this.unsent;
    if (next === undefined) this.push();
    else this.handOver(next);
    if (this.unsent.length === 0) this.call.resume();
  }

  /** Whether there can be anything that {@link relevant} finds; cheap, since most pushes are about one kind. */
  private mayConcern(kind: ResourceKind, changed: ChangedNames): boolean {
    if (changed[kind].size > 0) return true;
    return kind === 'endpoint' ? this.owed.names.size > 0 : kind !== 'cluster' && changed.alias.size > 0;
  }

  /** Of what has changed, what the client is to be told of. */
  protected relevant(kind: ResourceKind, changed: ChangedNames): readonly string[] {
    const { subscription } = this.types[kind];
    const names = [...changed[kind]].filter((name) => subscription.covers(name));
    if (kind === 'endpoint') return [...new Set([...names, ...this.owedNames()])];
    // A wildcard covers a service's listener under the service's own name only, and no routes of all services.
    const aliases = [...changed.alias].filter((name) => subscription.explicitNames.has(name));
    if (kind === 'listener') return [...names, ...aliases.filter((name) => name !== OUTBOUND_ROUTES)];
    if (kind === 'route') return [...names, ...aliases.filter((name) => name === OUTBOUND_ROUTES)];
    return names;
  }

  private owedNames(): readonly string[] {
    const { subscription, requested } = this.types.endpoint;
    if (!requested || subscription.isEmpty) return [];
    return [...this.owed.names].filter((name) => subscription.covers(name) && this.get('endpoint', name));
  }
}

function newTypeState(names: NameSets): TypeState {
  return {
    subscription: new Subscription(names),
    acks: new Acknowledgements(),
    requested: false,
    named: false,
  };
}
