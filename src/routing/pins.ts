import { createHmac } from 'node:crypto';

/**
 * A session's hold on a release and an endpoint: both as digests of 48 bits, keyed with a secret that every
 * sidecar has and no client does. A digest is a safe integer; 0 means "none".
 */
export interface Pin {
  /** 0: the release is not pinned, only the endpoint is. */
  readonly release: number;
  readonly endpoint: number;
  /** The release was named outright by a route, which pins under `balanced` too. */
  readonly label: boolean;
}

const DIGEST_BYTES = 6;
const DIGEST_CHARS = 8;

/** Computes the digests of one service. */
export class PinDigests {
  /** The same for the same service and secret; says nothing about the secret. */
  readonly id: string;

  constructor(
    private readonly secret: Buffer,
    private readonly service: string,
  ) {
    this.id = `${service} ${this.digest('id')}`;
  }

  /** @param incarnation tells a release from a later one of the same name */
  ofRelease(name: string, incarnation: string): number {
    return this.digest(`release\0${name}\0${incarnation}`);
  }

  ofEndpoint(address: string): number {
    return this.digest(`endpoint\0${address}`);
  }

  private digest(what: string): number {
    const mac = createHmac('sha256', this.secret).update(`${this.service}\0${what}`).digest();
    // 0 is taken; of 2^48 values it is no loss.
    return mac.readUIntBE(0, DIGEST_BYTES) || 1;
  }
}

/** A session that a cookie carries: its key, and its pin where it has one. */
export interface CookieSession {
  readonly key: string;
  readonly pin: Pin | undefined;
}

/** Ours: 128 random bits in base64url. Envoy's: 16 hexadecimal digits. */
const KEY = /^(?:[A-Za-z0-9_-]{22}|[0-9a-f]{16})$/;
const LONGEST_COOKIE = 22 + 1 + 2 * DIGEST_CHARS;
const PERSISTENT_MARK = '.';
const LABEL_MARK = '~';

/**
 * Parses a session cookie's value: `KEY`, or `KEY.PIN`, or `KEY~PIN` for a pin made by a route that names one
 * release. Undefined where the value is none of these; it then counts as absent and is replaced.
 */
export function parseSessionCookie(value: string): CookieSession | undefined {
  if (value.length > LONGEST_COOKIE) return undefined;
  const mark = Math.max(value.indexOf(PERSISTENT_MARK), value.indexOf(LABEL_MARK));
  const key = mark === -1 ? value : value.slice(0, mark);
  if (!KEY.test(key)) return undefined;
  if (mark === -1) return { key, pin: undefined };
  const digests = value.slice(mark + 1);
  if (!/^[A-Za-z0-9_-]{16}$/.test(digests)) return undefined;
  const bytes = Buffer.from(digests, 'base64url');
  return {
    key,
    pin: {
      release: bytes.readUIntBE(0, DIGEST_BYTES),
      endpoint: bytes.readUIntBE(DIGEST_BYTES, DIGEST_BYTES),
      label: value[mark] === LABEL_MARK,
    },
  };
}

export function formatSessionCookie(key: string, pin: Pin | undefined): string {
  if (pin === undefined) return key;
  const bytes = Buffer.allocUnsafe(2 * DIGEST_BYTES);
  bytes.writeUIntBE(pin.release, 0, DIGEST_BYTES);
  bytes.writeUIntBE(pin.endpoint, DIGEST_BYTES, DIGEST_BYTES);
  return key + (pin.label ? LABEL_MARK : PERSISTENT_MARK) + bytes.toString('base64url');
}
