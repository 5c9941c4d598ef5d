import type { SocketWriter } from '../net/socket-writer.js';

/** Writes a piece of a body as one chunk (RFC 9112 section 7.1). */
export function writeChunk(writer: SocketWriter, piece: Buffer, start: number, end: number): void {
  // A chunk of no bytes would end the body.
  if (start === end) return;
  writer.writeText(`${(end - start).toString(16)}\r\n`);
  writer.writeRange(piece, start, end);
  writer.writeText('\r\n');
}
