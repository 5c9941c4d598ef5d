/**
 * A header block that breaks RFC 7541. The compression state is lost with it, so it ends the connection: the peer is
 * told COMPRESSION_ERROR (RFC 9113 section 4.3).
 */
export class HpackError extends Error {
  override readonly name = 'HpackError';
}
