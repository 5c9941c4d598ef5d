import { ConnectionError, ERROR } from './error-code.js';
import { DEFAULT_WINDOW, MAX_FRAME_BYTES, MAX_WINDOW, readUint32 } from './frame.js';

/** RFC 9113 section 6.5.2, RFC 8441 section 3. */
export const SETTING = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
  enableConnectProtocol: 0x8,
} as const;

const ENTRY_BYTES = 6;
const LARGEST_FRAME_BYTES = 0xff_ffff;

/** What the peer has told us of itself. */
export interface PeerSettings {
  headerTableBytes: number;
  maxConcurrentStreams: number;
  /** What each stream may send before the peer makes room. */
  initialWindow: number;
  maxFrameBytes: number;
  /** It takes extended CONNECT (RFC 8441). */
  connectProtocol: boolean;
}

/** What holds until the peer says otherwise. */
export function initialSettings(): PeerSettings {
  return {
    headerTableBytes: 4096,
    maxConcurrentStreams: Number.POSITIVE_INFINITY,
    initialWindow: DEFAULT_WINDOW,
    maxFrameBytes: MAX_FRAME_BYTES,
    connectProtocol: false,
  };
}

/**
 * Applies a SETTINGS payload, in the order of its entries; unknown settings are ignored.
 *
 * @param fromServer the peer is the server, which may not enable pushes
 * @throws ConnectionError
 */
export function applySettings(
  settings: PeerSettings,
  bytes: Uint8Array,
  start: number,
  end: number,
  fromServer: boolean,
): void {
  for (let at = start; at < end; at += ENTRY_BYTES) {
    const id = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
    applySetting(settings, id, readUint32(bytes, at + 2), fromServer);
  }
}

function applySetting(settings: PeerSettings, id: number, value: number, fromServer: boolean): void {
  switch (id) {
    case SETTING.headerTableSize:
      settings.headerTableBytes = value;
      return;
    case SETTING.enablePush:
      if (value > (fromServer ? 0 : 1)) throw invalid('ENABLE_PUSH');
      return;
    case SETTING.maxConcurrentStreams:
      settings.maxConcurrentStreams = value;
      return;
    case SETTING.initialWindowSize:
      if (value > MAX_WINDOW) throw invalid('INITIAL_WINDOW_SIZE', ERROR.flowControlError);
      settings.initialWindow = value;
      return;
    case SETTING.maxFrameSize:
      if (value < MAX_FRAME_BYTES || value > LARGEST_FRAME_BYTES) throw invalid('MAX_FRAME_SIZE');
      settings.maxFrameBytes = value;
      return;
    case SETTING.enableConnectProtocol:
      // RFC 8441 section 3: it may not be taken back, either.
      if (value > 1 || (value === 0 && settings.connectProtocol)) throw invalid('ENABLE_CONNECT_PROTOCOL');
      settings.connectProtocol = value === 1;
      return;
    default:
  }
}

function invalid(name: string, code: number = ERROR.protocolError): ConnectionError {
  return new ConnectionError(code, `SETTINGS_${name} has a value that it may not have`);
}
