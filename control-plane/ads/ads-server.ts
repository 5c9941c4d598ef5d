import type { Metadata, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { Logger } from '../../src/telemetry/logger.js';
import { serviceDefinition } from '../../src/xds/descriptors.js';
import { ADS_SERVICE, PUSH_ORDER } from '../../src/xds/resource-types.js';
import { peerGroup } from '../access/peer-address.js';
import { type Rate, RateLimit } from '../access/rate-limit.js';
import type { AdsFigures } from './ads-figures.js';
import { type AdsSource, beginRound } from './ads-source.js';
import type { AdsCall, AdsStream } from './ads-stream.js';
import { DeltaRequests } from './delta-request.js';
import { DeltaStream } from './delta-stream.js';
import { PushQueue } from './push-queue.js';
import { SotwStream } from './sotw-stream.js';
import { TooManyNamesError } from './subscription.js';

/** A client that takes nothing of what it is sent for this long is cut off: it holds memory for nothing. */
const STALLED_AFTER_MS = 60_000;
/** How often it is looked whether routes have waited long enough. */
const HELD_ROUTES_LOOK_MS = 500;
/** Lines of log about the clients of one address: clients choose how often they come, go and refuse. */
const NOTE_RATE: Rate = { perSecond: 20, burst: 500 };

export interface AdsServerOptions {
  readonly source: AdsSource<AdsStream>;
  readonly log: Logger;
  /** What every client is told at once: which store this is. */
  greeting(): Metadata;
  /** Closes a client's connection, whatever is still to be written on it. */
  disconnect(peer: string): void;
  readonly stalledAfterMs?: number;
}

/** Serves the aggregated discovery service and knows every connected client. */
export class AdsServer {
  private readonly connected = new Map<AdsStream, AdsCall>();
  private readonly waiting = new Set<(stream: AdsStream) => void>();
  private readonly rounds = new Set<() => void>();
  private readonly pushes: PushQueue<AdsStream>;
  private readonly requests = new DeltaRequests();
  private readonly timers: readonly NodeJS.Timeout[];
  private readonly notes: RateLimit;

  constructor(private readonly options: AdsServerOptions) {
    this.pushes = new PushQueue({
      clients: () => this.beginRound(),
      push: (stream) => {
        this.attempt(stream, () => stream.push());
        this.progress(stream);
      },
      onRound: (tookMs) => this.figures.pushes.observe(tookMs),
    });
    this.notes = new RateLimit(NOTE_RATE, () => options.source.nowMs());
    const { stalledAfterMs = STALLED_AFTER_MS } = options;
    this.timers = [
      setInterval(() => this.cutOffStalled(stalledAfterMs), stalledAfterMs / 4).unref(),
      setInterval(() => this.pushHeldRoutes(), HELD_ROUTES_LOOK_MS).unref(),
    ];
  }

  get streams(): readonly AdsStream[] {
    return [...this.connected.keys()];
  }

  get figures(): AdsFigures {
    return this.options.source.figures;
  }

  /** The oldest snapshot that a client has not been told more than. */
  get slowestSequence(): number {
    const { front } = this.options.source;
    let slowest = front.position.sequence;
    for (const { sequence } of front.apart) slowest = Math.min(slowest, sequence);
    return slowest;
  }

  /** Ends every stream for good, so that clients look for another control plane at once. */
  closeAll(): void {
    for (const timer of this.timers) clearInterval(timer);
    this.endAll();
  }

  /** Ends every stream; clients come back, and say what they have. */
  endAll(): void {
    for (const stream of this.connected.keys()) stream.end();
  }

  /** The gRPC service; delta requests are read as {@link DeltaRequests} does. */
  get definition(): ServiceDefinition {
    const { DeltaAggregatedResources: delta, ...others } = serviceDefinition(ADS_SERVICE);
    if (delta === undefined) throw new Error('the descriptor bundle lacks delta ADS; build again');
    const requestDeserialize = (bytes: Buffer) => this.requests.read(bytes);
    return { ...others, DeltaAggregatedResources: { ...delta, requestDeserialize } };
  }

  /** The gRPC service's methods. */
  get implementation(): UntypedServiceImplementation {
    const { source } = this.options;
    return {
      StreamAggregatedResources: (call: AdsCall) => this.serve(call, new SotwStream(call, source)),
      DeltaAggregatedResources: (call: AdsCall) => this.serve(call, new DeltaStream(call, source)),
    };
  }

  /** Tells the clients that a change concerns. Clients that cannot keep up are told once they can. */
  pushChanges(): void {
    this.pushes.pushChanges();
  }

  isConnected(stream: AdsStream): boolean {
    return this.connected.has(stream);
  }

  /** Calls back with a client that has connected, left or said something. @returns what ends that. */
  onProgress(listener: (stream: AdsStream) => void): () => void {
    this.waiting.add(listener);
    return () => this.waiting.delete(listener);
  }

  /** Calls back when clients that changes do not concern have moved on without a word. @returns what ends that */
  onRound(listener: () => void): () => void {
    this.rounds.add(listener);
    return () => this.rounds.delete(listener);
  }

  private beginRound(): Iterable<AdsStream> {
    const concerned = beginRound(this.options.source);
    for (const listener of this.rounds) listener();
    return concerned;
  }

  private serve(call: AdsCall, stream: AdsStream): void {
    this.connected.set(stream, call);
    // Before the first answer; a client that sends nothing readable gets an error alone.
    call.once('data', () => call.sendMetadata(this.options.greeting()));
    call.on('data', (request) => {
      if (!this.connected.has(stream)) return;
      const known = stream.node.id !== '';
      const before = request.errorDetail ? rejectionsOf(stream) : undefined;
      this.attempt(stream, () => stream.receive(request));
      releaseChunks(call);
      if (!known && stream.node.id !== '' && this.isNoted(call))
        this.options.log.info({ node: stream.node.id, protocol: stream.protocol }, 'client connected');
      if (before !== undefined) this.noteRejections(stream, call, before);
      this.progress(stream);
    });
    const leave = () => {
      if (!this.connected.delete(stream)) return;
      this.pushes.forget(stream);
      stream.forget();
      if (this.isNoted(call)) this.options.log.info({ node: stream.node.id }, 'client disconnected');
      this.progress(stream);
    };
    call.on('end', () => call.end());
    for (const event of ['error', 'close', 'cancelled', 'finish']) call.on(event, leave);
    this.progress(stream);
  }

  /** Does something for a client; where that fails, only the client's own stream ends. */
  private attempt(stream: AdsStream, work: () => void): void {
    try {
      work();
    } catch (error) {
      const tooMany = error instanceof TooManyNamesError;
      if (tooMany) this.options.log.warn({ node: stream.node.id }, error.message);
      else this.options.log.error({ err: error, node: stream.node.id }, 'a client could not be answered');
      this.connected.get(stream)?.emit('error', {
        code: tooMany ? status.RESOURCE_EXHAUSTED : status.INTERNAL,
        details: tooMany ? error.message : 'the control plane failed; its log says why',
      });
    }
  }

  private cutOffStalled(afterMs: number): void {
    const nowMs = this.options.source.nowMs();
    for (const [stream, call] of this.connected) {
      if (stream.stalledForMs(nowMs) < afterMs) continue;
      this.options.log.warn({ node: stream.node.id }, 'the client does not read what it asked for; cut off');
      this.figures.cutOff++;
      this.options.disconnect(call.getPeer());
    }
  }

  private pushHeldRoutes(): void {
    for (const stream of this.options.source.front.apart)
      if (stream.holdsRoutes) this.attempt(stream, () => stream.push());
  }

  private isNoted(call: AdsCall): boolean {
    return this.notes.take(peerGroup(call.getPeer().replace(/:\d+$/, '')));
  }

  private noteRejections(stream: AdsStream, call: AdsCall, before: readonly unknown[]): void {
    PUSH_ORDER.forEach((kind, i) => {
      const { rejection } = stream.typeState(kind).acks;
      if (rejection === undefined || rejection === before[i] || !this.isNoted(call)) return;
      this.options.log.warn(
        { node: stream.node.id, type: kind, reason: rejection.message },
        'client rejected its configuration',
      );
    });
  }

  private progress(stream: AdsStream): void {
    for (const listener of this.waiting) listener(stream);
  }
}

/**
 * grpc-js holds the last message in the chunks from the network that it came in, until the next one begins: 14 to 47 KB
 * for a sidecar that comes back (`npm run bench:control-plane -- --only memory`). Between messages it needs none of it.
 */
function releaseChunks(call: AdsCall): void {
  const { decoder } = (call as unknown as { readonly call?: { readonly decoder?: Decoder } }).call ?? {};
  if (decoder?.readState !== BETWEEN_MESSAGES) return;
  decoder.readCompressFlag = NO_FLAG;
  decoder.readPartialMessage = [];
}

/** Internals of grpc-js (`stream-decoder.js`). Where they change, nothing is released, and a test says so. */
interface Decoder {
  readonly readState: number;
  readCompressFlag: Buffer;
  readPartialMessage: Buffer[];
}

const BETWEEN_MESSAGES = 0;
const NO_FLAG = Buffer.alloc(1);

function rejectionsOf(stream: AdsStream): readonly unknown[] {
  return PUSH_ORDER.map((kind) => stream.typeState(kind).acks.rejection);
}
