/** gRPC's framing of messages on an HTTP/2 stream: a flag, four bytes of length, the message. */
const PREFIX = 5;

/**
 * A message as it goes on the wire, not compressed.
 *
 * @param following bytes of the message that are sent right after this
 */
export function frameOf(message: Buffer, following = 0): Buffer {
  const framed = Buffer.allocUnsafe(PREFIX + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length + following, 1);
  message.copy(framed, PREFIX);
  return framed;
}

/** Puts messages together from the pieces in which they arrive. */
export class FrameReader {
  private pieces: Buffer[] = [];
  private held = 0;

  /** @param take each message that is complete, in order; it is not to be changed */
  push(piece: Buffer, take: (message: Buffer) => void): void {
    let rest = piece;
    if (this.held > 0) {
      this.pieces.push(piece);
      this.held += piece.length;
      if (this.held < this.wanted()) return;
      rest = Buffer.concat(this.pieces);
      this.pieces = [];
      this.held = 0;
    }
    let at = 0;
    while (rest.length - at >= PREFIX) {
      const end = at + PREFIX + rest.readUInt32BE(at + 1);
      if (end > rest.length) break;
      take(rest.subarray(at + PREFIX, end));
      at = end;
    }
    if (at === rest.length) return;
    this.pieces = [rest.subarray(at)];
    this.held = rest.length - at;
  }

  /** Bytes of the message that has begun, as far as that is known. */
  private wanted(): number {
    const [first] = this.pieces as [Buffer];
    if (first.length < PREFIX) return PREFIX;
    return PREFIX + first.readUInt32BE(1);
  }
}
