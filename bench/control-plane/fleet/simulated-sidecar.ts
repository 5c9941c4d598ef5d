import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import { CONTROL_PLANE_BACK_OFF_MS } from '../../../sidecar/discovery/control-plane-channel.js';
import { BackOff } from '../../../src/lifecycle/back-off.js';
import { ADS_SERVICE, type ResourceKind } from '../../../src/xds/resource-types.js';
import { encodeAck, outlineOf, type ResponseOutline } from './wire.js';

/** What a simulated sidecar sends first on every stream. */
export interface Opening {
  /** In the order in which they are sent; the node goes before the first. */
  readonly requests: readonly Buffer[];
  /** Sent once the first response of a kind has come: what a sidecar asks for that starts from nothing. */
  readonly following: Readonly<Partial<Record<ResourceKind, Buffer>>>;
}

export interface SimulatedSidecarOptions {
  readonly address: string;
  /** A request with nothing but the node. */
  readonly node: Buffer;
  opening(): Opening;
  /** A response has come and its ACK is on its way. */
  onResponse(sidecar: SimulatedSidecar, outline: ResponseOutline, bytes: Buffer): void;
}

const METHOD = `/${ADS_SERVICE}/DeltaAggregatedResources`;
const asTheyAre = (bytes: Buffer) => bytes;

/** As the sidecar's own channel; and no two share a connection. */
const CHANNEL_OPTIONS = {
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_receive_message_length': -1,
  'grpc.initial_reconnect_backoff_ms': CONTROL_PLANE_BACK_OFF_MS.first,
  'grpc.max_reconnect_backoff_ms': CONTROL_PLANE_BACK_OFF_MS.max,
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.enable_channelz': 0,
  'grpc.enable_retries': 0,
};

/**
 * One delta ADS stream on a connection of its own that accepts whatever it is sent and comes back when it breaks,
 * as sidecars do.
 */
export class SimulatedSidecar {
  /** Responses on the present stream. */
  responses = 0;
  private readonly channel: Client;
  private readonly backOff = new BackOff(CONTROL_PLANE_BACK_OFF_MS.first, CONTROL_PLANE_BACK_OFF_MS.max);
  private stream: ClientDuplexStream<Buffer, Buffer> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private asked = new Set<ResourceKind>();

  constructor(private readonly options: SimulatedSidecarOptions) {
    this.channel = new Client(options.address, credentials.createInsecure(), CHANNEL_OPTIONS);
  }

  open(): void {
    const stream = this.channel.makeBidiStreamRequest<Buffer, Buffer>(METHOD, asTheyAre, asTheyAre);
    const { requests, following } = this.options.opening();
    this.stream = stream;
    this.responses = 0;
    this.asked.clear();
    stream.on('data', (bytes: Buffer) => this.onData(bytes, following));
    stream.on('error', () => this.onBroken(stream));
    stream.on('end', () => this.onBroken(stream));
    const [first, ...rest] = requests as [Buffer, ...Buffer[]];
    // Messages written one after the other read as one (protobuf encoding).
    stream.write(Buffer.concat([this.options.node, first]));
    for (const request of rest) stream.write(request);
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.stream?.cancel();
    this.channel.close();
  }

  private onData(bytes: Buffer, following: Opening['following']): void {
    const outline = outlineOf(bytes);
    if (this.responses++ === 0) this.backOff.reset();
    const next = following[outline.kind];
    if (next !== undefined && !this.asked.has(outline.kind)) {
      this.asked.add(outline.kind);
      this.stream?.write(next);
    }
    this.stream?.write(encodeAck(outline));
    this.options.onResponse(this, outline, bytes);
  }

  private onBroken(stream: ClientDuplexStream<Buffer, Buffer>): void {
    if (this.stream !== stream) return;
    this.stream = undefined;
    stream.cancel();
    if (!this.closed) this.timer = setTimeout(() => this.open(), this.backOff.next());
  }
}
