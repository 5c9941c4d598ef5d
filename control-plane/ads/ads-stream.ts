import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Message } from '../../src/xds/descriptors.js';
import { message, text } from '../../src/xds/fields.js';
import { OUTBOUND_ROUTES } from '../../src/xds/resource-names.js';
import { kindOfTypeUrl, PUSH_ORDER, type ResourceKind } from '../../src/xds/resource-types.js';
import type { ChangeLog } from '../snapshot/change-log.js';
import type { ChangedNames } from '../snapshot/changed-names.js';
import type { SnapshotResource } from '../snapshot/resource.js';
import type { Snapshot } from '../snapshot/snapshot.js';
import { Acknowledgements } from './acknowledgements.js';
import type { AdsFigures } from './ads-figures.js';
import { type ClientNode, readNode, UNKNOWN_NODE } from './client-node.js';
import { withNonce } from './responses.js';
import { Subscription } from './subscription.js';

export type AdsCall = ServerDuplexStream<Message, Buffer>;

/** What every stream reads from. */
export interface AdsSource {
  readonly snapshot: Snapshot;
  readonly changes: ChangeLog;
  readonly figures: AdsFigures;
  nowMs(): number;
}

/** One resource type on one stream: its own sub-stream, with its own nonces. */
export interface TypeState {
  readonly subscription: Subscription;
  readonly acks: Acknowledgements;
  /** The client has sent a request of this type. */
  requested: boolean;
  /** The client has named a resource of this type; from then on an empty list means nothing. */
  named: boolean;
}

/**
 * One client's stream. A variant decides what requests mean and how responses look; everything that both have
 * in common is here: identity, nonces, the position in the change log, back-pressure.
 *
 * While the transport has not taken everything yet, changes only move the log, and requests wait unread: a slow
 * client has at most one push and one answer in memory, and the push that follows covers all that it missed.
 */
export abstract class AdsStream {
  node: ClientNode = UNKNOWN_NODE;
  readonly connectedAtMs: number;
  protected readonly types: Readonly<Record<ResourceKind, TypeState>>;
  /**
   * Clusters that were sent after their load assignments were: a client that warms a cluster waits for the
   * assignment to come once more, changed or not.
   */
  private readonly owedAssignments = new Set<string>();
  /** Sequence of the snapshot that this client has been told of, and its revision. */
  private pushedSequence: number;
  private pushedRevision: number;
  private nonce = 0;
  /** Responses that the transport has not taken yet, and when it last took one. */
  private unsent = 0;
  private movedAtMs = 0;
  /** When the client was told of the change that it has not answered yet; undefined: it has, or there was none. */
  private toldAt: number | undefined;

  constructor(
    protected readonly call: AdsCall,
    protected readonly source: AdsSource,
  ) {
    this.connectedAtMs = source.nowMs();
    this.pushedSequence = source.snapshot.sequence;
    this.pushedRevision = source.snapshot.revision;
    this.types = Object.fromEntries(PUSH_ORDER.map((kind) => [kind, newTypeState()])) as Record<
      ResourceKind,
      TypeState
    >;
  }

  abstract readonly protocol: 'sotw' | 'delta';

  typeState(kind: ResourceKind): Readonly<TypeState> {
    return this.types[kind];
  }

  /** The snapshot that this client has been told of. */
  get sequence(): number {
    return this.pushedSequence;
  }

  /** How long the client has taken nothing of what it is being sent. */
  stalledForMs(nowMs: number): number {
    return this.unsent === 0 ? 0 : nowMs - this.movedAtMs;
  }

  /** Whether everything up to a revision has been sent and answered. */
  settled(revision: number): boolean {
    return (
      this.pushedRevision >= revision && PUSH_ORDER.every((kind) => this.types[kind].acks.settled(revision))
    );
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
    if (nonce !== '' && acks.answered(nonce, refusal && text(refusal.message), this.source.nowMs()))
      this.countAnswer(kind, refusal !== undefined);
    // Whatever the log holds for this client goes out first, so that answers never run ahead of it.
    this.push();
    this.answer(kind, request, nonce);
    acks.keepOnly((name) => subscription.covers(name));
    if (kind === 'cluster') this.sendNamed('endpoint', this.owed());
  }

  end(): void {
    this.call.end();
  }

  /** Sends what has changed since the last push, in make-before-break order. */
  push(): void {
    const { snapshot, changes } = this.source;
    if (this.unsent > 0 || this.isOver || this.pushedSequence === snapshot.sequence) return;
    const changed = changes.since(this.pushedSequence);
    this.pushedSequence = snapshot.sequence;
    this.pushedRevision = snapshot.revision;
    for (const kind of PUSH_ORDER) {
      if (this.types[kind].requested) this.sendNamed(kind, this.relevant(kind, changed));
    }
    if (!this.isAnswered) this.toldAt ??= performance.now();
  }

  protected abstract answer(kind: ResourceKind, request: Message, nonce: string): void;

  /** Sends those of the names that the client is to be told of. */
  protected abstract sendNamed(kind: ResourceKind, names: readonly string[]): void;

  /** @param names the resources in it, those that it takes away included */
  protected send(kind: ResourceKind, body: Buffer, names: readonly string[] | 'all'): void {
    if (this.isOver) return;
    const nonce = String(++this.nonce);
    this.source.figures.responses[kind]++;
    this.types[kind].acks.sent({ nonce, revision: this.source.snapshot.revision, names });
    if (this.unsent === 0) this.movedAtMs = this.source.nowMs();
    this.unsent++;
    this.call.pause();
    this.call.write(withNonce(body, nonce), (error?: Error | null) => {
      if (!error) this.onTaken();
    });
  }

  protected get(kind: ResourceKind, name: string): SnapshotResource | undefined {
    return this.source.snapshot.get(kind, name, this.node.namespace);
  }

  protected list(kind: ResourceKind): readonly SnapshotResource[] {
    return this.source.snapshot.list(kind, this.node.namespace);
  }

  /** Notes what a client that warms clusters waits for. */
  protected noteSent(kind: ResourceKind, names: readonly string[]): void {
    if (kind !== 'cluster' && kind !== 'endpoint') return;
    for (const name of names) {
      const owed = kind === 'cluster' && this.get('endpoint', name) !== undefined;
      if (owed) this.owedAssignments.add(name);
      else this.owedAssignments.delete(name);
    }
  }

  protected isOwed(kind: ResourceKind, name: string): boolean {
    return kind === 'endpoint' && this.owedAssignments.has(name);
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

  private onTaken(): void {
    this.unsent--;
    this.movedAtMs = this.source.nowMs();
    if (this.unsent > 0) return;
    this.push();
    if (this.unsent === 0) this.call.resume();
  }

  private relevant(kind: ResourceKind, changed: ChangedNames): readonly string[] {
    const { subscription } = this.types[kind];
    const names = [...changed[kind]].filter((name) => subscription.covers(name));
    if (kind === 'endpoint') return [...new Set([...names, ...this.owed()])];
    // A wildcard covers a service's listener under the service's own name only, and no routes of all services.
    const aliases = [...changed.alias].filter((name) => subscription.explicitNames.has(name));
    if (kind === 'listener') return [...names, ...aliases.filter((name) => name !== OUTBOUND_ROUTES)];
    if (kind === 'route') return [...names, ...aliases.filter((name) => name === OUTBOUND_ROUTES)];
    return names;
  }

  private owed(): readonly string[] {
    const { subscription, requested } = this.types.endpoint;
    if (!requested || subscription.isEmpty) return [];
    return [...this.owedAssignments].filter(
      (name) => subscription.covers(name) && this.get('endpoint', name),
    );
  }
}

function newTypeState(): TypeState {
  return { subscription: new Subscription(), acks: new Acknowledgements(), requested: false, named: false };
}
