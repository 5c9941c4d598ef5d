import { Pool } from 'undici';
import { userId } from './load/request-pool.js';
import { AUTHORITY, CANARY_SHARE, KEY_HEADER } from './workloads.js';

/** What one request of the check found. */
export interface Probe {
  readonly user: string;
  readonly status: number;
  /** Which pod answered, `v2-1`. */
  readonly servedBy: string;
  readonly forwardedFor: string;
  readonly requestId: string;
}

const USERS_ASKED = 1000;
const CALLS_EACH = 2;
const CONNECTIONS = 32;
const SHARE_TOLERANCE = 0.05;
/** Of a release's sessions, the least that each of its two pods must get. */
const LEAST_POD_SHARE = 0.15;

/**
 * Proves that a proxy does the same job as the others before it is measured: the split, the stickiness, the
 * headers.
 *
 * @throws Error naming what is different
 */
export async function checkSameJob(port: number, sticky = true): Promise<void> {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: CONNECTIONS });
  const users = Array.from({ length: USERS_ASKED * CALLS_EACH }, (_, i) => userId((i % USERS_ASKED) * 5));
  const probes: Probe[] = [];
  const work = async () => {
    for (let user = users.pop(); user !== undefined; user = users.pop()) probes.push(await probe(pool, user));
  };
  try {
    await Promise.all(Array.from({ length: CONNECTIONS }, work));
  } finally {
    await pool.destroy();
  }
  const problems = differences(probes, sticky);
  if (problems.length > 0) throw new Error(`not the same job: ${problems.join('; ')}`);
}

async function probe(pool: Pool, user: string): Promise<Probe> {
  const headers = { host: AUTHORITY, [KEY_HEADER]: user };
  const {
    statusCode,
    headers: answered,
    body,
  } = await pool.request({ method: 'GET', path: '/echo/', headers });
  const text = await body.text();
  const seen = statusCode === 200 ? (JSON.parse(text) as { for: string; id: string }) : { for: '', id: '' };
  return {
    user,
    status: statusCode,
    servedBy: String(answered['x-served-by'] ?? ''),
    forwardedFor: seen.for,
    requestId: seen.id,
  };
}

/** Everything in which a proxy's answers differ from what was asked of all of them. */
export function differences(probes: readonly Probe[], sticky: boolean): string[] {
  const wrong = probes.filter(({ status }) => status !== 200);
  if (wrong.length > 0) return [`${wrong.length} of ${probes.length} answers had status ${wrong[0]?.status}`];
  const problems: string[] = [];
  const shareOf = (release: string, among: readonly Probe[]) =>
    among.filter(({ servedBy }) => servedBy.startsWith(release)).length / among.length;
  const canary = shareOf('v2', probes);
  if (Math.abs(canary - CANARY_SHARE) > SHARE_TOLERANCE)
    problems.push(
      `${(canary * 100).toFixed(1)} % of sessions on the canary instead of ${CANARY_SHARE * 100} %`,
    );
  for (const release of ['v1', 'v2']) {
    const inRelease = probes.filter(({ servedBy }) => servedBy.startsWith(release));
    for (const pod of [`${release}-1`, `${release}-2`]) {
      if (shareOf(pod, inRelease) < LEAST_POD_SHARE) problems.push(`${pod} gets next to nothing`);
    }
  }
  const moved = sticky ? usersOnSeveralPods(probes) : 0;
  if (moved > 0) problems.push(`${moved} sessions did not stay on their pod`);
  if (probes.some(({ forwardedFor }) => forwardedFor === '')) problems.push('x-forwarded-for is missing');
  if (new Set(probes.map(({ requestId }) => requestId)).size < probes.length)
    problems.push('x-request-id is missing or not unique');
  return problems;
}

function usersOnSeveralPods(probes: readonly Probe[]): number {
  const pods = new Map<string, Set<string>>();
  for (const { user, servedBy } of probes) pods.set(user, (pods.get(user) ?? new Set()).add(servedBy));
  return [...pods.values()].filter(({ size }) => size > 1).length;
}
