import { hostname } from 'node:os';

export const ROLES = ['frontend', 'checkout', 'payments'] as const;
export type Role = (typeof ROLES)[number];

export interface Settings {
  readonly role: Role;
  readonly port: number;
  readonly version: string;
  /** Name of this replica. */
  readonly pod: string;
  /** What it calls to answer; undefined: nothing. */
  readonly upstream: string | undefined;
}

/**
 * Reads a role's settings: `PORT` (0: a free one), `VERSION`, `POD` (default: the host's name), and
 * `CHECKOUT_URL` or `PAYMENTS_URL` for the role that calls it.
 *
 * @throws Error in the operator's words
 */
export function readSettings(role: string | undefined, env: NodeJS.ProcessEnv): Settings {
  const known = ROLES.find((name) => name === role);
  if (known === undefined) throw new Error(`name a role: ${ROLES.join(', ')}`);
  const port = Number(env.PORT ?? 3000);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error(`PORT=${env.PORT} is not a port`);
  return {
    role: known,
    port,
    version: env.VERSION ?? 'v1',
    pod: env.POD ?? hostname(),
    upstream: upstreamOf(known, env),
  };
}

function upstreamOf(role: Role, env: NodeJS.ProcessEnv): string | undefined {
  if (role === 'frontend') return env.CHECKOUT_URL ?? 'http://checkout:8080';
  if (role === 'checkout') return env.PAYMENTS_URL ?? 'http://payments:8080';
  return undefined;
}
