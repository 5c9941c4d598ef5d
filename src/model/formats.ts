import { isIP } from 'node:net';

/** Formats that flags and other servers' configuration share with the resource; without what checks a resource. */

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/;
const MS_PER_UNIT = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** `500ms`, `2s`, `1.5m`, `1h` → milliseconds; undefined where the text is not a duration. */
export function parseDuration(text: string): number | undefined {
  const found = DURATION.exec(text);
  if (!found) return undefined;
  const ms = Number(found[1]) * MS_PER_UNIT[found[2] as keyof typeof MS_PER_UNIT];
  // 0.0023h is 8280 ms, of which binary fractions miss a bit.
  return Math.abs(ms - Math.round(ms)) < ROUNDING ? Math.round(ms) : ms;
}

const ROUNDING = 1e-6;

/** The longest time that anything waits: 24 days. Timers of 2^31 ms and more (24.9 days) fire at once. */
export const LONGEST_TIMER = '576h';
export const LONGEST_TIMER_MS = 576 * MS_PER_UNIT.h;

/** What is wrong with a duration that has bounds, both included, written as a user would; undefined: nothing. */
/** The shortest spelling: `1h`, `90s`, `500ms`. */
export function formatDuration(ms: number): string {
  const units = Object.entries(MS_PER_UNIT).reverse();
  const [unit, size] = units.find(([, each]) => ms !== 0 && ms % each === 0) ?? ['ms', 1];
  return `${ms / size}${unit}`;
}

export function durationProblem(text: string, least: string, most: string): string | undefined {
  const [ms, leastMs, mostMs] = [text, least, most].map(parseDuration) as [
    number | undefined,
    number,
    number,
  ];
  if (ms === undefined) return 'is not a duration; write a number with a unit, such as 500ms, 2s, 5m or 1h';
  if (ms < leastMs) return `is too short; the least is ${least}`;
  if (ms > mostMs) return `is too long; the most is ${most}`;
  return Number.isInteger(ms) ? undefined : 'is finer than a millisecond; write whole milliseconds';
}

export interface SocketAddress {
  readonly host: string;
  readonly port: number;
}

/** Splits `host:port` or `[v6]:port`; undefined where the text is neither. The host is returned bare. */
export function splitHostPort(text: string): SocketAddress | undefined {
  const found = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]+)):([1-9]\d{0,4})$/.exec(text);
  if (!found) return undefined;
  const portNumber = Number(found[3]);
  if (portNumber < 1 || portNumber > 65_535) return undefined;
  if (found[1] !== undefined && isIP(found[1]) !== 6) return undefined;
  return { host: (found[1] ?? found[2]) as string, port: portNumber };
}

/** A name as Kubernetes wants them: an RFC 1123 label. */
export const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** A host name in lower case, without a port. */
export function isHostname(text: string): boolean {
  return text.length <= 253 && text.split('.').every((label) => LABEL.test(label));
}
