import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { CONTROL_PLANE_BACK_OFF_MS } from '../../../sidecar/discovery/control-plane-channel.js';
import { BackOff } from '../../../src/lifecycle/back-off.js';
import type { SocketAddress } from '../../../src/model/formats.js';
import { ADS_SERVICE, type ResourceKind } from '../../../src/xds/resource-types.js';
import { FrameReader, frameOf } from './grpc-frames.js';
import { encodeAck, outlineOf, type ResponseOutline } from './wire.js';

/** What a simulated sidecar sends first on every stream. */
export interface Opening {
  /** The first request, but for the node: messages written one after the other read as one (protobuf encoding). */
  readonly first: Buffer;
  /** Those that come right after it, each in its frame. */
  readonly rest: readonly Buffer[];
  /** Each in its frame, sent once the first response of a kind has come: what a sidecar asks for that starts from nothing. */
  readonly following: Readonly<Partial<Record<ResourceKind, Buffer>>>;
}

export interface SimulatedSidecarOptions {
  readonly address: SocketAddress;
  /** A request with nothing but the node. */
  readonly node: Buffer;
  opening(): Opening;
  /** A response has come and its ACK is on its way. */
  onResponse(outline: ResponseOutline, bytes: Buffer): void;
}

const HEADERS = {
  ':method': 'POST',
  ':path': `/${ADS_SERVICE}/DeltaAggregatedResources`,
  'content-type': 'application/grpc',
  te: 'trailers',
};

/** As the sidecar's own channel. */
const KEEPALIVE_MS = 30_000;

/**
 * One delta ADS stream of gRPC on a connection of its own that accepts whatever it is sent and comes back when it
 * breaks, as sidecars do. On Node's HTTP/2 without grpc-js on top: what all of them send first is framed once, and
 * is a third of a megabyte for each.
 */
export class SimulatedSidecar {
  /** There has been a response. */
  answered = false;
  private readonly backOff = new BackOff(CONTROL_PLANE_BACK_OFF_MS.first, CONTROL_PLANE_BACK_OFF_MS.max);
  private session: ClientHttp2Session | undefined;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private asked = new Set<ResourceKind>();

  constructor(private readonly options: SimulatedSidecarOptions) {}

  open(): void {
    const { opening, node, address } = this.options;
    const session = connect(`http://${address.host}:${address.port}`, {
      createConnection: () => connectTcp({ ...address, noDelay: true }),
    });
    this.session = session;
    const { first, rest, following } = opening();
    const stream = session.request(HEADERS);
    const reader = new FrameReader();
    this.asked.clear();
    stream.on('data', (piece: Buffer) =>
      reader.push(piece, (message) => this.onMessage(stream, message, following)),
    );
    for (const either of [session, stream]) {
      // Whatever went wrong, what follows is the end of the session.
      either.on('error', () => {});
      either.on('close', () => session.destroy());
    }
    const keepalive = setInterval(() => session.ping(() => {}), KEEPALIVE_MS);
    session.on('close', () => {
      clearInterval(keepalive);
      this.onBroken();
    });
    stream.write(frameOf(node, first.length));
    stream.write(first);
    for (const request of rest) stream.write(request);
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.session?.destroy();
  }

  private onMessage(stream: ClientHttp2Stream, bytes: Buffer, following: Opening['following']): void {
    const outline = outlineOf(bytes);
    this.answered = true;
    this.backOff.reset();
    const next = following[outline.kind];
    if (next !== undefined && !this.asked.has(outline.kind)) {
      this.asked.add(outline.kind);
      stream.write(next);
    }
    stream.write(frameOf(encodeAck(outline)));
    this.options.onResponse(outline, bytes);
  }

  private onBroken(): void {
    this.session = undefined;
    if (!this.closed) this.timer = setTimeout(() => this.open(), this.backOff.next());
  }
}
