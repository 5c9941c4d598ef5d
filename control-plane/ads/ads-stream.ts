import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Message } from '../../src/xds/descriptors.js';
import { message, text } from '../../src/xds/fields.js';
import { kindOfTypeUrl, PUSH_ORDER, type ResourceKind } from '../../src/xds/resource-types.js';
import type { ChangeLog } from '../snapshot/change-log.js';
import type { ChangedNames, Snapshot } from '../snapshot/snapshot.js';
import { Acknowledgements } from './acknowledgements.js';
import { type ClientNode, readNode, UNKNOWN_NODE } from './client-node.js';
import { withNonce } from './responses.js';
import { Subscription } from './subscription.js';

export type AdsCall = ServerDuplexStream<Message, Buffer>;

/** What every stream reads from. */
export interface AdsSource {
  readonly snapshot: Snapshot;
  readonly changes: ChangeLog;
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

/** A client may leave this much unread before it is cut off; it costs memory here, nobody else anything. */
const MAX_BUFFERED_BYTES = 64 * 1024 * 1024;

/**
 * One client's stream. A variant decides what requests mean and how responses look; everything that both have
 * in common is here: identity, nonces, the position in the change log, back-pressure.
 *
 * A stream is *pushable* while the transport takes data. While it does not, changes only move the log, and the
 * one push that follows covers them all.
 */
export abstract class AdsStream {
  node: ClientNode = UNKNOWN_NODE;
  readonly connectedAtMs: number;
  protected readonly types: Readonly<Record<ResourceKind, TypeState>>;
  /** Sequence of the snapshot that this client has been told of, and its revision. */
  private pushedSequence: number;
  private pushedRevision: number;
  private nonce = 0;
  private blocked = false;

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
    call.on('drain', () => {
      this.blocked = false;
      this.push();
    });
  }

  abstract readonly protocol: 'sotw' | 'delta';

  typeState(kind: ResourceKind): Readonly<TypeState> {
    return this.types[kind];
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
    if (nonce !== '')
      this.types[kind].acks.answered(nonce, refusal && text(refusal.message), this.source.nowMs());
    // Whatever the log holds for this client goes out first, so that answers never run ahead of it.
    this.push();
    this.answer(kind, request, nonce);
  }

  end(): void {
    this.call.end();
  }

  /** Sends what has changed since the last push, in make-before-break order. */
  push(): void {
    const { snapshot, changes } = this.source;
    if (this.blocked || this.pushedSequence === snapshot.sequence) return;
    const changed = changes.since(this.pushedSequence);
    this.pushedSequence = snapshot.sequence;
    this.pushedRevision = snapshot.revision;
    for (const kind of PUSH_ORDER) {
      if (!this.types[kind].requested) continue;
      if (changed === undefined) this.sendAll(kind);
      else this.sendChanged(kind, changed);
    }
  }

  protected abstract answer(kind: ResourceKind, request: Message, nonce: string): void;
  protected abstract sendAll(kind: ResourceKind): void;
  protected abstract sendChanged(kind: ResourceKind, changed: ChangedNames): void;

  protected send(kind: ResourceKind, body: Buffer): void {
    const nonce = String(++this.nonce);
    this.types[kind].acks.sent(nonce, this.source.snapshot.revision);
    if (this.call.write(withNonce(body, nonce))) return;
    this.blocked = true;
    if (this.call.writableLength > MAX_BUFFERED_BYTES) {
      this.call.destroy(new Error('the client does not read what it asked for'));
    }
  }
}

function newTypeState(): TypeState {
  return { subscription: new Subscription(), acks: new Acknowledgements(), requested: false, named: false };
}
