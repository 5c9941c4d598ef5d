import { isIP, SocketAddress } from 'node:net';
import type { Message } from './descriptors.js';

/** A resource that cannot be used, with every reason: one NACK names them all. */
export class InvalidXdsError extends Error {
  constructor(
    readonly resourceName: string,
    readonly problems: readonly string[],
  ) {
    super(problems.join('; '));
    this.name = 'InvalidXdsError';
  }
}

/** Collects what is wrong with one resource while it is being decoded. */
export class Problems {
  readonly found: string[] = [];

  add(path: string, message: string): void {
    this.found.push(path === '' ? message : `${path}: ${message}`);
  }

  /** @throws InvalidXdsError if anything was found. */
  throwIfAny(resourceName: string): void {
    if (this.found.length > 0) throw new InvalidXdsError(resourceName, this.found);
  }

  /**
   * Names every field that is present but neither handled nor harmless, so that nothing that would change
   * a request's fate is ignored in silence.
   */
  refuseOthers(message: Message, path: string, known: ReadonlySet<string>): void {
    for (const [field, value] of Object.entries(message)) {
      if (known.has(field) || isAbsent(value)) continue;
      this.add(path === '' ? field : `${path}.${field}`, 'is not supported');
    }
  }
}

function isAbsent(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === '' || value === 0) return true;
  if (value instanceof Uint8Array || Array.isArray(value)) return value.length === 0;
  return false;
}

export function messages(value: unknown): readonly Message[] {
  return Array.isArray(value) ? (value as Message[]) : [];
}

export function message(value: unknown): Message | undefined {
  return typeof value === 'object' && value !== null ? (value as Message) : undefined;
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The number in a `google.protobuf.UInt32Value` and its kin. */
export function wrapped(value: unknown): number | undefined {
  const holder = message(value);
  return holder === undefined ? undefined : Number(holder.value ?? 0);
}

export function wrappedBool(value: unknown): boolean | undefined {
  const holder = message(value);
  return holder === undefined ? undefined : holder.value === true;
}

/** A `google.protobuf.Duration` in milliseconds. */
export function durationMs(value: unknown): number | undefined {
  const duration = message(value);
  if (duration === undefined) return undefined;
  return Number(duration.seconds ?? 0) * 1000 + Number(duration.nanos ?? 0) / 1e6;
}

/** Milliseconds as a `google.protobuf.Duration`. */
export function toDuration(ms: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) };
}

/**
 * `10.0.0.1:80`, `[fd00::1]:80`: Envoy's default host key, and how endpoints are named everywhere. Of the spellings of
 * an IPv6 address, the canonical one.
 */
export function formatAddress(host: string, port: number): string {
  if (isIP(host) !== 6) return `${host}:${port}`;
  return `[${new SocketAddress({ address: host, family: 'ipv6' }).address}]:${port}`;
}
