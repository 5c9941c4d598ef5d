import { HeaderField, type Indexing } from '../../../sidecar/http2/header-field.js';
import { HpackEncoder } from '../../../sidecar/http2/hpack-encoder.js';

/** Frames byte by byte, right or wrong as a test wants them (RFC 9113 section 4.1). */

export const TYPE = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const;

export type List = readonly (readonly [name: string, value: string, indexing?: Indexing])[];

export function frame(type: number, flags: number, streamId: number, payload: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(payload as string, 'latin1');
  const head = Buffer.alloc(9);
  head.writeUIntBE(bytes.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, bytes]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function settings(...entries: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = entries.map(([id, value]) =>
    Buffer.concat([Buffer.from([id >> 8, id & 0xff]), uint32(value)]),
  );
  return frame(TYPE.settings, 0, 0, Buffer.concat(payload));
}

export const windowUpdate = (streamId: number, bytes: number): Buffer =>
  frame(TYPE.windowUpdate, 0, streamId, uint32(bytes));
export const reset = (streamId: number, code = 8): Buffer => frame(TYPE.reset, 0, streamId, uint32(code));
export const data = (streamId: number, content: Buffer | string, end = false): Buffer =>
  frame(TYPE.data, end ? FLAG.endStream : 0, streamId, content);

/** A header block that needs no table. */
export function block(list: List): Buffer {
  const encoder = new HpackEncoder();
  encoder.setPeerTableBytes(0);
  const fields = list.map(([name, value, indexing]) => new HeaderField(name, value, indexing ?? 1));
  const out = Buffer.alloc(HpackEncoder.bound(fields));
  // Without the size update that the encoder begins with.
  return out.subarray(1, encoder.encode(fields, out, 0));
}

export function headers(streamId: number, list: List, end = true): Buffer {
  return frame(TYPE.headers, FLAG.endHeaders | (end ? FLAG.endStream : 0), streamId, block(list));
}

export function request(method: string, path: string, ...more: List): List {
  return [[':method', method], [':scheme', 'http'], [':authority', 'a.test'], [':path', path], ...more];
}

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
