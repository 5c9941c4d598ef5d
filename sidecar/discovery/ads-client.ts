import { type ClientDuplexStream, type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { connectionCause, explainTlsFailure } from '../../src/access/connection-failure.js';
import { BackOff } from '../../src/lifecycle/back-off.js';
import type { Logger } from '../../src/telemetry/logger.js';
import { type Message, serviceDefinition } from '../../src/xds/descriptors.js';
import { text } from '../../src/xds/fields.js';
import type { NameChanges } from '../../src/xds/referenced-names.js';
import {
  ADS_SERVICE,
  kindOfTypeUrl,
  PUSH_ORDER,
  type ResourceKind,
  TYPE_URL,
} from '../../src/xds/resource-types.js';
import { ClientStatus } from './client-status.js';
import { CONTROL_PLANE_BACK_OFF_MS } from './control-plane-channel.js';
import type { ControlPlanes } from './control-planes.js';
import { HeldResources } from './held-resources.js';
import { PacedAnswers } from './paced-answers.js';
import { type Entry, type ReceivedResource, type RefusedResource, readEntries } from './response-entries.js';
import { type Origin, StoreGuard } from './store-guard.js';

/** Who takes the resources. */
export interface ResourceConsumer {
  /**
   * A response of one type. Subscriptions that follow from it are changed before this returns, so that the
   * server learns of them before it sees the response acknowledged.
   *
   * @returns the resources that were refused; empty: all of it is accepted
   */
  onResources(
    kind: ResourceKind,
    resources: readonly ReceivedResource[],
    removed: readonly string[],
  ): readonly RefusedResource[];
  onConnected(connected: boolean): void;
}

/** `google.rpc.Code.INVALID_ARGUMENT` */
const INVALID_ARGUMENT = 3;
/** A control plane that does not even answer the connection is not waited for where there are others. */
const CONNECT_TIMEOUT_MS = 5000;
/** Longest reason sent with a NACK. */
const MAX_REASON_LENGTH = 4096;

/** What becomes of a response. */
export interface Verdict {
  /** What was refused, why, and in which versions; empty: nothing was. */
  readonly refusal: string;
  /** What the answer has because of it. */
  readonly fields: { readonly errorDetail?: object };
}

const ACCEPTED: Verdict = { refusal: '', fields: {} };

type AdsStream = ClientDuplexStream<object, Message>;

export interface AdsClientOptions {
  readonly controlPlanes: ControlPlanes;
  /** `envoy.config.core.v3.Node` */
  readonly node: object;
  readonly consumer: ResourceConsumer;
  /** Listeners and clusters that the server says are gone are used on (gRFC A53). */
  readonly ignoresDeletion: boolean;
  /** The coarse clock. */
  nowMs(): number;
  /** What sidecars of the control plane's store share; not called where the control plane is not Roost's. */
  onSidecarKey?(key: Uint8Array): void;
  readonly log: Logger;
}

/**
 * A client of ADS: keeps one stream open. When it breaks, the next control plane is tried at once; when all have been,
 * with growing waits. A variant decides what requests and responses look like.
 */
export abstract class AdsClient {
  /** What is known of every resource, for `/client_status`. */
  readonly status = new ClientStatus(Date.now);
  /** Keeps what a control plane without its data does not know of. */
  readonly guard: StoreGuard;
  /** What the newest response calls its configuration (delta's `system_version_info`), where that is a number. */
  revision: number | undefined;
  /** Responses refused (NACK), by type. */
  readonly rejections: Record<ResourceKind, number> = { listener: 0, route: 0, cluster: 0, endpoint: 0 };
  protected readonly held = perKind(() => new HeldResources());
  protected readonly answers = perKind(() => new PacedAnswers());
  private readonly backOff = new BackOff(CONTROL_PLANE_BACK_OFF_MS.first, CONTROL_PLANE_BACK_OFF_MS.max);
  private stream: AdsStream | undefined;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private heardFromServer = false;
  private nodeSent = false;

  constructor(protected readonly options: AdsClientOptions) {
    this.guard = new StoreGuard(options.log, options.nowMs);
  }

  start(): void {
    this.open();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.stream?.cancel();
    this.options.controlPlanes.close();
  }

  /** Before the start: what the consumer has already, from an earlier life of this sidecar. */
  resume(kind: ResourceKind, resources: readonly ReceivedResource[]): void {
    this.status.received(kind, resources, [], []);
    this.held[kind].accept(resources, this.options.nowMs());
  }

  /** Before the start: where that is from. */
  resumeOrigin(origin: Origin): void {
    this.guard.resume(origin);
    this.tellSidecarKey(origin.sidecarKey);
  }

  /** Changes which names of a type are wanted. Names may be dropped that were not. */
  subscribe(kind: ResourceKind, changes: NameChanges): void {
    const { added, dropped } = this.held[kind].want(changes);
    if (added.length + dropped.length === 0) return;
    this.status.wanted(kind, { added, dropped });
    if (this.stream === undefined) return;
    if (this.heardFromServer) this.held[kind].awaitMissing(added, this.options.nowMs());
    this.onNames(kind, added, dropped);
  }

  /** Takes away what the server has been silent about for too long, answers what waits. Called on the coarse clock's tick. */
  checkDeadlines(nowMs: number): void {
    for (const kind of PUSH_ORDER) {
      this.answers[kind].sendWaiting(nowMs);
      const gone = this.held[kind].takeDue(nowMs);
      if (gone.length === 0) continue;
      this.options.log.warn({ type: kind, names: gone }, 'not heard of in time; counts as not there');
      this.options.consumer.onResources(kind, [], gone);
      this.status.gaveUp(kind, gone);
    }
  }

  protected abstract readonly method: 'DeltaAggregatedResources' | 'StreamAggregatedResources';
  /** A stream has been opened: asks for everything that is wanted of a type. */
  protected abstract onOpened(kind: ResourceKind): void;
  /** Other names are wanted than were, and a stream is open. */
  protected abstract onNames(kind: ResourceKind, added: readonly string[], dropped: readonly string[]): void;
  /** Takes a response of a known type, and answers it. */
  protected abstract receive(kind: ResourceKind, response: Message): void;

  protected send(kind: ResourceKind, fields: object): void {
    const node = this.nodeSent ? {} : { node: this.options.node };
    this.nodeSent = true;
    this.stream?.write({ ...node, typeUrl: TYPE_URL[kind], ...fields });
  }

  /**
   * Hands a response to the consumer, and remembers what it accepts.
   *
   * @returns what to answer
   */
  protected consume(kind: ResourceKind, entries: readonly Entry[], gone: readonly string[]): Verdict {
    const { consumer, nowMs } = this.options;
    const held = this.held[kind];
    const believed = this.guard.believed(
      kind,
      gone.filter((name) => held.versions.has(name)),
      entries.map(({ name }) => name),
    );
    // What was never here is not there; what was is only gone if it may be.
    const absent = gone.filter((name) => !held.versions.has(name));
    const removed = [...absent, ...(this.keepsDeleted(kind) ? [] : believed)];
    const { resources, heartbeats, refused } = readEntries(kind, entries, (name) => held.isWanted(name));
    held.remove(removed);
    held.hear(heartbeats, nowMs());
    const problems = [...refused, ...consumer.onResources(kind, resources, removed)];
    const bad = new Set(problems.map(({ name }) => name));
    // What has been accepted may be what makes that some of it is not wanted any more.
    const isKept = ({ name }: ReceivedResource) => !bad.has(name) && held.isWanted(name);
    held.accept(resources.filter(isKept), nowMs());
    this.status.received(kind, resources, removed, problems);
    this.giveUp(kind, bad);
    return problems.length === 0 ? ACCEPTED : this.refuse(kind, problems, entries);
  }

  /**
   * What was asked for by name, is refused and was never here counts as not there: whatever names it need not wait, and the rest of the
   * configuration comes into force at once. What was here before stays as it was.
   */
  private giveUp(kind: ResourceKind, refused: ReadonlySet<string>): void {
    const unusable = this.held[kind].stopAwaiting(refused);
    if (unusable.length > 0) this.options.consumer.onResources(kind, [], unusable);
  }

  private keepsDeleted(kind: ResourceKind): boolean {
    return this.options.ignoresDeletion && (kind === 'listener' || kind === 'cluster');
  }

  private refuse(
    kind: ResourceKind,
    refused: readonly RefusedResource[],
    entries: readonly Entry[],
  ): Verdict {
    this.rejections[kind]++;
    const lines = refused.map(({ name, reason }) => `${kind} ${name}: ${reason}`);
    const versions = entries.map(({ name, version }) => `${name} ${version}`);
    const refusal = [...lines, ...versions].join('\n');
    if (!this.answers[kind].isRepeated(refusal))
      this.options.log.error({ type: kind, problems: lines }, 'rejected a part of the configuration');
    const message = lines.join('\n').slice(0, MAX_REASON_LENGTH);
    return { refusal, fields: { errorDetail: { code: INVALID_ARGUMENT, message } } };
  }

  private open(): void {
    const method = serviceDefinition(ADS_SERVICE)[this.method];
    if (method === undefined) throw new Error(`the descriptor bundle lacks ${this.method}; build again`);
    const { channel } = this.options.controlPlanes.current;
    const stream = channel.makeBidiStreamRequest<object, Message>(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
    );
    this.stream = stream;
    this.heardFromServer = false;
    this.nodeSent = false;
    stream.on('metadata', (metadata: Metadata) => this.onMetadata(metadata));
    stream.on('data', (response: Message) => this.onResponse(response));
    stream.on('error', (error: ServiceError) => this.onBroken(stream, this.reasonOf(error)));
    stream.on('end', () => this.onBroken(stream, 'ended by the server'));
    this.timer = setTimeout(() => {
      if (this.options.controlPlanes.isBetterTurned) this.onBroken(stream, 'no answer to the connection');
    }, CONNECT_TIMEOUT_MS);
    for (const kind of PUSH_ORDER) this.onOpened(kind);
  }

  private onMetadata(metadata: Metadata): void {
    this.guard.meet(metadata);
    this.tellSidecarKey(this.guard.sidecarKey);
  }

  private tellSidecarKey(key: string | undefined): void {
    if (key !== undefined) this.options.onSidecarKey?.(Buffer.from(key, 'base64url'));
  }

  private reasonOf(error: ServiceError): string {
    const { address, security } = this.options.controlPlanes.current;
    const explained =
      error.code === status.UNAVAILABLE && explainTlsFailure(error, address, security, '--control-plane-ca');
    return explained || connectionCause(error) || error.message;
  }

  private onBroken(stream: AdsStream, reason: string): void {
    if (this.stream !== stream) return;
    this.stream = undefined;
    clearTimeout(this.timer);
    stream.cancel();
    for (const kind of PUSH_ORDER) {
      this.held[kind].stopWaiting();
      this.answers[kind].forget();
    }
    if (this.closed) return;
    const { controlPlanes } = this.options;
    const controlPlane = controlPlanes.name;
    const waitMs = controlPlanes.turn() ? this.backOff.next() : 0;
    this.options.log.warn(
      { controlPlane, reason, next: controlPlanes.name, retryInMs: Math.round(waitMs) },
      'no control plane; going on with what there is',
    );
    this.options.consumer.onConnected(false);
    this.timer = setTimeout(() => this.open(), waitMs);
  }

  private onResponse(response: Message): void {
    if (!this.heardFromServer) {
      this.heardFromServer = true;
      this.backOff.reset();
      const { controlPlanes } = this.options;
      controlPlanes.answered();
      this.options.log.info({ controlPlane: controlPlanes.name }, 'connected to the control plane');
      this.options.consumer.onConnected(true);
      for (const held of Object.values(this.held)) held.awaitMissing(held.wanted, this.options.nowMs());
    }
    const kind = kindOfTypeUrl(text(response.typeUrl));
    // A type that was not asked for: the protocol has no answer to it.
    if (kind === undefined) return;
    this.answers[kind].sendWaiting();
    this.receive(kind, response);
  }
}

/** What a variant remembers of each type. */
export function perKind<T>(make: () => T): Readonly<Record<ResourceKind, T>> {
  return { listener: make(), route: make(), cluster: make(), endpoint: make() };
}
