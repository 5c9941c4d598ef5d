import { isIP } from 'node:net';

/** Formats that flags and other servers' configuration share with the resource; without what checks a resource. */

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/;
const MS_PER_UNIT = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** `500ms`, `2s`, `1.5m`, `1h` → milliseconds; undefined where the text is no duration. */
export function parseDuration(text: string): number | undefined {
  const found = DURATION.exec(text);
  return found ? Number(found[1]) * MS_PER_UNIT[found[2] as keyof typeof MS_PER_UNIT] : undefined;
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
