import { LONGEST_TIMER_MS } from '../model/formats.js';
import { programSizeBound, regexProblem } from '../model/regular-expression.js';
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

/** Most problems of one resource that are told apart. */
const MAX_PROBLEMS = 100;
/** Most instructions of all regular expressions of one resource together, some tens of megabytes. */
const MAX_REGEX_SIZE = 200_000;

/** Collects what is wrong with one resource while it is being decoded. */
export class Problems {
  readonly found: string[] = [];
  private regexSize = 0;

  add(path: string, message: string): void {
    if (this.found.length < MAX_PROBLEMS) this.found.push(path === '' ? message : `${path}: ${message}`);
    else if (this.found.length === MAX_PROBLEMS) this.found.push('and more');
  }

  /** Adds what is wrong with a regular expression. @returns whether it can be used */
  checkRegex(pattern: string, path: string): boolean {
    const before = this.regexSize;
    this.regexSize += programSizeBound(pattern);
    // What comes after the one that went too far is not looked at.
    if (before > MAX_REGEX_SIZE) return false;
    const problem =
      this.regexSize > MAX_REGEX_SIZE
        ? `is one regular expression too many: a resource’s may have ${MAX_REGEX_SIZE} instructions together`
        : regexProblem(pattern);
    if (problem !== undefined) this.add(path, problem);
    return problem === undefined;
  }

  /** @throws InvalidXdsError if anything was found. */
  throwIfAny(resourceName: string): void {
    if (this.found.length > 0) throw new InvalidXdsError(resourceName, this.found);
  }
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

/** An `envoy.type.v3.Percent`, from 0 to 100 whatever it says; undefined where it is absent. */
export function percentage(value: unknown): number | undefined {
  const percent = message(value);
  if (percent === undefined) return undefined;
  const number = Number(percent.value ?? 0);
  return Number.isNaN(number) ? 0 : Math.min(100, Math.max(0, number));
}

/** A `google.protobuf.Duration` in milliseconds. */
export function durationMs(value: unknown): number | undefined {
  const duration = message(value);
  if (duration === undefined) return undefined;
  return Number(duration.seconds ?? 0) * 1000 + Number(duration.nanos ?? 0) / 1e6;
}

/** Longest duration (`google.protobuf.Duration`): about 10,000 years. */
const MAX_DURATION_MS = 315_576_000_000_000;

/**
 * The same, of something that a sidecar waits for: a negative one is a problem, and one longer than any timer is the
 * longest timer, as good as no limit.
 *
 * @param leastMs the shortest that is right
 */
export function readDuration(
  value: unknown,
  path: string,
  problems: Problems,
  leastMs = 0,
): number | undefined {
  const ms = readAge(value, path, problems, leastMs);
  return ms === undefined ? undefined : Math.min(ms, LONGEST_TIMER_MS);
}

/** The same, of something that is only counted or passed on: it may be as long as it likes. */
export function readAge(value: unknown, path: string, problems: Problems, leastMs = 0): number | undefined {
  const ms = durationMs(value);
  if (ms === undefined || (ms >= leastMs && ms <= MAX_DURATION_MS)) return ms;
  const what = ms > MAX_DURATION_MS ? 'the most is 10,000 years' : `the least is ${leastMs / 1000} s`;
  problems.add(path, `${ms / 1000} s is not a duration that can be used; ${what}`);
  return leastMs;
}

/** Milliseconds as a `google.protobuf.Duration`. */
export function toDuration(ms: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) };
}
