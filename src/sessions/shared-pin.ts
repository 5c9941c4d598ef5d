import { xxh64 } from '../hashing/xxh64.js';
import type { Pin } from '../routing/pins.js';

/** A pin as the sidecars of a fleet share it (SEMANTICS S6). */
export interface SharedPin extends Pin {
  /** One more than that of the pin that it replaced; 0 for a session's first. At most {@link MAX_GENERATION}. */
  readonly generation: number;
  /** Low 32 bits of the configuration revision that the pin was made under. */
  readonly revision: number;
}

/** A session with its pin, on its way from one sidecar to another. */
export interface SharedSession {
  /** What the session is found by: see `SessionKey.pinHash`. */
  readonly hash: bigint;
  readonly pin: SharedPin;
  /** How long the session had not been used when it was sent, in whole seconds. No clock needs to agree with another. */
  readonly idleS: number;
  /** Which sidecar the pin comes from, see {@link sourceOf}; {@link OWN_SOURCE} until the control plane has said. */
  readonly source: number;
  /** What the key depends on, see `sessionTag`. */
  readonly tag: number;
}

/** Pins that this process made itself. */
export const OWN_SOURCE = 0;
/** Sources that are told apart, {@link OWN_SOURCE} included. */
export const SOURCES = 256;

/**
 * A number for a sidecar, from 1 to 255. Where room runs out, the source that has most of it gives way; two that share
 * a number share their room.
 */
export function sourceOf(sidecarId: string): number {
  return 1 + Number(xxh64(sidecarId) % BigInt(SOURCES - 1));
}

export const MAX_GENERATION = 0xffff;

/** The generation of a pin that replaces another. */
export function nextGeneration(replaced: { readonly generation?: number } | undefined): number {
  return replaced?.generation === undefined ? 0 : Math.min(replaced.generation + 1, MAX_GENERATION);
}

/** A pin that unpins: it names no release and no endpoint, so that it is valid nowhere, and beats the one before. */
export function unpinned(pin: SharedPin): SharedPin {
  return { release: 0, endpoint: 0, label: false, generation: nextGeneration(pin), revision: pin.revision };
}

/** The pin is one that {@link unpinned} made. */
export function isUnpinned({ release, endpoint }: Pin): boolean {
  return release === 0 && endpoint === 0;
}

/**
 * S6: which of two pins of one session wins, wherever they meet. A total order without clocks: the higher generation,
 * then the one that a label made, then the older revision, then the smaller digests.
 *
 * @returns above 0 where `a` wins, below 0 where `b` does, 0 where they are the same
 */
export function comparePins(a: SharedPin, b: SharedPin): number {
  return (
    a.generation - b.generation ||
    Number(a.label) - Number(b.label) ||
    b.revision - a.revision ||
    b.release - a.release ||
    b.endpoint - a.endpoint
  );
}
