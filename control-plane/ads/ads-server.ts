import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { Logger } from '../../src/telemetry/logger.js';
import { PUSH_ORDER } from '../../src/xds/resource-types.js';
import type { AdsCall, AdsSource, AdsStream } from './ads-stream.js';
import { DeltaStream } from './delta-stream.js';
import { SotwStream } from './sotw-stream.js';
import { TooManyNamesError } from './subscription.js';

/** Streams pushed to before other work gets its turn. */
const PUSH_CHUNK = 32;

/** Serves the aggregated discovery service and knows every connected client. */
export class AdsServer {
  private readonly connected = new Set<AdsStream>();
  private readonly waiting = new Set<() => void>();
  private pushing: AdsStream[] = [];
  private rejections = 0;

  constructor(
    private readonly source: AdsSource,
    private readonly log: Logger,
  ) {}

  get streams(): ReadonlySet<AdsStream> {
    return this.connected;
  }

  /** Responses refused since the start. */
  get rejectionCount(): number {
    return this.rejections;
  }

  /** Ends every stream, so that clients look for another control plane at once. */
  closeAll(): void {
    for (const stream of this.connected) stream.end();
  }

  /** The gRPC service's methods. */
  get implementation(): UntypedServiceImplementation {
    return {
      StreamAggregatedResources: (call: AdsCall) => this.serve(call, new SotwStream(call, this.source)),
      DeltaAggregatedResources: (call: AdsCall) => this.serve(call, new DeltaStream(call, this.source)),
    };
  }

  /** Tells every client what changed. Clients that cannot keep up are told once they can. */
  pushToAll(): void {
    const idle = this.pushing.length === 0;
    this.pushing = [...this.connected];
    if (idle) this.pushChunk();
  }

  /** Calls back whenever a client connects, leaves or answers. @returns what ends that. */
  onProgress(listener: () => void): () => void {
    this.waiting.add(listener);
    return () => this.waiting.delete(listener);
  }

  private pushChunk(): void {
    for (const stream of this.pushing.splice(0, PUSH_CHUNK)) stream.push();
    if (this.pushing.length > 0) setImmediate(() => this.pushChunk());
  }

  private serve(call: AdsCall, stream: AdsStream): void {
    this.connected.add(stream);
    call.on('data', (request) => {
      const known = stream.node.id !== '';
      const before = rejectionsOf(stream);
      try {
        stream.receive(request);
      } catch (error) {
        this.refuse(call, error);
        return;
      }
      if (!known && stream.node.id !== '')
        this.log.info({ node: stream.node.id, protocol: stream.protocol }, 'client connected');
      this.logNewRejections(stream, before);
      this.progress();
    });
    const leave = () => {
      if (!this.connected.delete(stream)) return;
      this.log.info({ node: stream.node.id }, 'client disconnected');
      this.progress();
    };
    call.on('end', () => call.end());
    call.on('error', leave);
    call.on('close', leave);
    call.on('cancelled', leave);
    call.on('finish', leave);
  }

  private refuse(call: AdsCall, error: unknown): void {
    const tooMany = error instanceof TooManyNamesError;
    if (!tooMany) this.log.error({ err: error }, 'a discovery request could not be answered');
    call.emit('error', {
      code: tooMany ? status.RESOURCE_EXHAUSTED : status.INTERNAL,
      details: (error as Error).message,
    });
  }

  private logNewRejections(stream: AdsStream, before: readonly unknown[]): void {
    PUSH_ORDER.forEach((kind, i) => {
      const { rejection } = stream.typeState(kind).acks;
      if (rejection !== undefined && rejection !== before[i]) {
        this.log.warn(
          { node: stream.node.id, type: kind, reason: rejection.message },
          'client rejected its configuration',
        );
      }
    });
  }

  private progress(): void {
    for (const listener of this.waiting) listener();
  }
}

function rejectionsOf(stream: AdsStream): readonly unknown[] {
  return PUSH_ORDER.map((kind) => stream.typeState(kind).acks.rejection);
}
