import { connect, type Socket } from 'node:net';
import type { Test } from 'tap';
import type { HeaderField } from '../../../sidecar/http2/header-field.js';
import { HpackDecoder } from '../../../sidecar/http2/hpack-decoder.js';
import { FLAG, frame, PREFACE, settings, TYPE } from './frames.js';

export interface SeenFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
  /** Of HEADERS. */
  readonly fields: readonly HeaderField[];
}

const PATIENCE_MS = 10_000;

/** One end of a real HTTP/2 connection, frame by frame: what a test sends is what goes out. */
export class RawHttp2Peer {
  /** All frames that have come. */
  readonly frames: SeenFrame[] = [];
  closed = false;
  private bytes = Buffer.alloc(0);
  private readonly decoder = new HpackDecoder(4096, { maxListBytes: 1_000_000, maxFields: 1000 });
  private readonly watchers = new Set<() => void>();

  constructor(readonly socket: Socket) {
    socket.on('data', (piece: Buffer) => this.take(piece));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.notify();
    });
  }

  /** Connects as a client and greets. */
  static connect(
    t: Test,
    port: number,
    greeting: Buffer<ArrayBufferLike> = Buffer.concat([PREFACE, settings()]),
  ): RawHttp2Peer {
    const peer = new RawHttp2Peer(connect({ port, host: '127.0.0.1', noDelay: true }));
    t.teardown(() => peer.socket.destroy());
    peer.socket.write(greeting);
    return peer;
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  acknowledgeSettings(): void {
    this.send(frame(TYPE.settings, FLAG.ack, 0));
  }

  /** The first frame of a type, of a stream if one is given, that has come or comes. */
  async frame(type: number, streamId?: number): Promise<SeenFrame> {
    const wanted = (seen: SeenFrame) =>
      seen.type === type && (streamId === undefined || seen.streamId === streamId);
    return (await this.until(() => this.frames.find(wanted), `a frame of type ${type}`)) as SeenFrame;
  }

  /** The error code of the GOAWAY that ends the connection. */
  async goAwayCode(): Promise<number> {
    return (await this.frame(TYPE.goAway)).payload.readUInt32BE(4);
  }

  async resetCode(streamId: number): Promise<number> {
    return (await this.frame(TYPE.reset, streamId)).payload.readUInt32BE(0);
  }

  /** The content of a stream, once it has ended. */
  async content(streamId: number): Promise<string> {
    const ofStream = () => this.frames.filter((seen) => seen.streamId === streamId);
    await this.until(
      () => ofStream().find(({ type, flags }) => type < 2 && flags & 1),
      'the end of a stream',
    );
    const pieces = ofStream().filter(({ type }) => type === TYPE.data);
    return Buffer.concat(pieces.map(({ payload }) => payload)).toString('latin1');
  }

  /** A ping there and back: everything that was sent before has been dealt with. */
  async settle(): Promise<void> {
    const { length } = this.frames;
    const mark = Buffer.from(String(Math.random()).slice(2, 10).padEnd(8));
    this.send(frame(TYPE.ping, 0, 0, mark));
    await this.until(() => this.frames.slice(length).find(({ payload }) => payload.equals(mark)), 'a pong');
  }

  async closing(): Promise<void> {
    await this.until(() => this.closed || undefined, 'the end of the connection');
  }

  async until<T>(find: () => T | undefined, what: string): Promise<T> {
    const limit = performance.now() + PATIENCE_MS;
    for (;;) {
      const found = find();
      if (found !== undefined && found !== 0) return found;
      if (performance.now() > limit || (this.closed && what !== 'the end of the connection'))
        throw new Error(
          `waited for ${what}; the last of ${this.frames.length} frames are ${this.frames
            .slice(-20)
            .map(({ type }) => type)
            .join()}`,
        );
      await new Promise<void>((resolve) => {
        const timer = setTimeout(wake, 500);
        const { watchers } = this;
        function wake() {
          clearTimeout(timer);
          watchers.delete(wake);
          resolve();
        }
        watchers.add(wake);
      });
    }
  }

  private take(piece: Buffer): void {
    this.bytes = Buffer.concat([this.bytes, piece]);
    for (;;) {
      const { bytes } = this;
      if (bytes.length < 9) break;
      const end = 9 + bytes.readUIntBE(0, 3);
      if (bytes.length < end) break;
      this.bytes = bytes.subarray(end);
      const [type, flags] = [bytes[3] as number, bytes[4] as number];
      const payload = bytes.subarray(9, end);
      const fields = type === TYPE.headers ? this.decoder.decode(payload, 0, payload.length).fields : [];
      this.frames.push({ type, flags, streamId: bytes.readUInt32BE(5), payload, fields });
    }
    this.notify();
  }

  private notify(): void {
    for (const wake of [...this.watchers]) wake();
  }
}
