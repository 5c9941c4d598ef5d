/** RFC 9113 section 7. */
export const ERROR = {
  noError: 0x0,
  protocolError: 0x1,
  internalError: 0x2,
  flowControlError: 0x3,
  settingsTimeout: 0x4,
  streamClosed: 0x5,
  frameSizeError: 0x6,
  refusedStream: 0x7,
  cancel: 0x8,
  compressionError: 0x9,
  connectError: 0xa,
  enhanceYourCalm: 0xb,
  inadequateSecurity: 0xc,
  http11Required: 0xd,
} as const;

const NAMES: readonly string[] = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
];

/** For messages. */
export function errorName(code: number): string {
  return NAMES[code] ?? `error ${code}`;
}

/** The peer broke a rule that concerns the whole connection: it is told by GOAWAY, and the connection ends (5.4.1). */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';

  /** @param code one of {@link ERROR} */
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}
