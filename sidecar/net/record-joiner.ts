import { READ_BUFFER_BYTES } from './read-buffer.js';

/** Most plaintext that one TLS record can carry (RFC 8446 section 5.1): behind a full one there is likely another. */
const FULL_RECORD_BYTES = 16_384;

type Take = (piece: Buffer) => void;

/** What has come for one reader, in memory that all share. */
const joined = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
let length = 0;
let reader: Take | undefined;
let willDeliver = false;

/**
 * Joins full records of one connection that come one after the other, as they do when one read has brought several:
 * otherwise each of them is a write of its own to the client.
 *
 * @param take is given memory that is used again once it returns; at the latest when everything that is there to be
 *   read has been
 */
export function joinRecords(piece: Buffer, take: Take): void {
  if (reader !== take) deliverJoined();
  const isFull = piece.length === FULL_RECORD_BYTES;
  if (length === 0 && !isFull) {
    take(piece);
    return;
  }
  reader = take;
  length += piece.copy(joined, length);
  if (!isFull || length + FULL_RECORD_BYTES > joined.length) deliverJoined();
  else deliverSoon();
}

/** Hands over what has been joined and not been handed over yet. */
export function deliverJoined(): void {
  if (reader === undefined) return;
  const take = reader;
  const piece = joined.subarray(0, length);
  reader = undefined;
  length = 0;
  take(piece);
}

function deliverSoon(): void {
  if (willDeliver) return;
  willDeliver = true;
  setImmediate(() => {
    willDeliver = false;
    deliverJoined();
  });
}
