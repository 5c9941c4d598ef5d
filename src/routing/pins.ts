import { createHmac } from 'node:crypto';
import { LONGEST_SESSION_COOKIE } from '../http/cookies.js';

/**
 * A session's hold on a release and an endpoint: both as digests of 48 bits, keyed with a secret that every
 * sidecar has and no client does. A digest is a safe integer; a release's of 0 means "none".
 */
export interface Pin {
  /** Its digest for this kind of pin, see {@link releaseDigest}. 0: the release is not pinned, only the endpoint is. */
  readonly release: number;
  /** Its digest for this kind of pin, see {@link kindOf}. */
  readonly endpoint: number;
  /** The release was named outright by a route, which pins under `balanced` too. */
  readonly label: boolean;
}

const DIGEST_BYTES = 6;

/**
 * A pin holds an endpoint only, a release as well, or a release because a route named it. Endpoints and releases have
 * a digest for each kind: a client that has one kind of pin cannot write it as another, and so hold a session on a
 * release that its own pin does not hold it on.
 */
const KINDS = 3;
/** What the digests of one kind are apart from those of the next. */
const KIND_STEP = 2 ** (8 * DIGEST_BYTES);

function kindOf({ release, label }: Omit<Pin, 'endpoint'>): number {
  if (release === 0) return 0;
  return label ? 2 : 1;
}

/** What a release is called in pins, by their kind; both 0 where the service has no affinity. */
export interface ReleaseDigests {
  readonly digest: number;
  /** In pins that a label has made. */
  readonly labelDigest: number;
}

/** A release as pins of one kind call it. */
export function releaseDigest({ digest, labelDigest }: ReleaseDigests, label: boolean): number {
  return label ? labelDigest : digest;
}

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
  ofRelease(name: string, incarnation: string): ReleaseDigests {
    const what = `release\0${name}\0${incarnation}`;
    return { digest: this.digest(what), labelDigest: this.digest(`label\0${what}`) };
  }

  /** One digest for each kind of pin. */
  ofEndpoint(address: string): readonly number[] {
    const mac = this.mac(`endpoint\0${address}`);
    return Array.from(
      { length: KINDS },
      (_, kind) => kind * KIND_STEP + mac.readUIntBE(kind * DIGEST_BYTES, DIGEST_BYTES),
    );
  }

  /** A pin to this endpoint. */
  pin(to: Omit<Pin, 'endpoint'>, address: string): Pin {
    return { ...to, endpoint: this.ofEndpoint(address)[kindOf(to)] as number };
  }

  private digest(what: string): number {
    // 0 is taken; of 2^48 values it is no loss.
    return this.mac(what).readUIntBE(0, DIGEST_BYTES) || 1;
  }

  private mac(what: string): Buffer {
    return createHmac('sha256', this.secret).update(`${this.service}\0${what}`).digest();
  }
}

/** A session that a cookie carries: its key, its pin where it has one, and when it was issued where it says so. */
export interface CookieSession {
  readonly key: string;
  readonly pin: Pin | undefined;
  /** Seconds since 1970, by the clock of the sidecar that issued the cookie; absent: when the key was made. */
  readonly issuedS?: number;
}

/** Ours: when it was made and 96 random bits, or 128 random bits, in base64url. Envoy's: 16 hexadecimal digits. */
const KEY = /^(?:[A-Za-z0-9_-]{22}|[0-9a-f]{16})$/;
const PINNED = /^[A-Za-z0-9_-]{16}$/;
const PERSISTENT_MARK = '.';
const LABEL_MARK = '~';
const TIME_MARK = ':';
/** Four bytes in base64url: seconds since 1970. */
const TIME = /^[A-Za-z0-9_-]{6}$/;

/**
 * Parses a session cookie's value: `KEY`, or `KEY.PIN`, or `KEY~PIN` for a pin made by a route that names one
 * release, each with `:TIME` behind it where it was issued later than its key was made. Undefined where the value is
 * none of these; it then counts as absent and is replaced.
 */
export function parseSessionCookie(value: string): CookieSession | undefined {
  if (value.length > LONGEST_SESSION_COOKIE) return undefined;
  const clock = value.indexOf(TIME_MARK);
  if (clock === -1) return parsePinnedKey(value);
  const session = parsePinnedKey(value.slice(0, clock));
  const time = value.slice(clock + 1);
  if (session === undefined || !TIME.test(time)) return undefined;
  return { ...session, issuedS: Buffer.from(time, 'base64url').readUInt32BE() };
}

function parsePinnedKey(value: string): CookieSession | undefined {
  const mark = Math.max(value.indexOf(PERSISTENT_MARK), value.indexOf(LABEL_MARK));
  const key = mark === -1 ? value : value.slice(0, mark);
  if (!KEY.test(key)) return undefined;
  if (mark === -1) return { key, pin: undefined };
  const digests = value.slice(mark + 1);
  if (!PINNED.test(digests)) return undefined;
  return { key, pin: readPin(Buffer.from(digests, 'base64url'), 0, value[mark] === LABEL_MARK) };
}

/** Bytes that {@link writePin} takes. */
export const PIN_BYTES = 2 * DIGEST_BYTES;

/** Reads what {@link writePin} has written. @param label which the bytes do not say */
export function readPin(bytes: Buffer, at: number, label: boolean): Pin {
  const release = bytes.readUIntBE(at, DIGEST_BYTES);
  const digest = bytes.readUIntBE(at + DIGEST_BYTES, DIGEST_BYTES);
  return { release, endpoint: endpointOf(release, label, digest), label };
}

/** A pin's endpoint by the digest that {@link writePin} has written. */
export function endpointOf(release: number, label: boolean, digest: number): number {
  return kindOf({ release, label }) * KIND_STEP + digest;
}

/** Writes a pin's digests, of the release and then of the endpoint. */
export function writePin(pin: Pin, bytes: Buffer, at: number): void {
  bytes.writeUIntBE(pin.release, at, DIGEST_BYTES);
  bytes.writeUIntBE(pin.endpoint % KIND_STEP, at + DIGEST_BYTES, DIGEST_BYTES);
}

export function formatSessionCookie({ key, pin, issuedS }: CookieSession): string {
  const session = pin === undefined ? key : key + formatPin(pin);
  if (issuedS === undefined) return session;
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(issuedS >>> 0);
  return session + TIME_MARK + bytes.toString('base64url');
}

function formatPin(pin: Pin): string {
  const bytes = Buffer.allocUnsafe(PIN_BYTES);
  writePin(pin, bytes, 0);
  return (pin.label ? LABEL_MARK : PERSISTENT_MARK) + bytes.toString('base64url');
}
