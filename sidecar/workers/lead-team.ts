import type { LogOutput } from '../../src/telemetry/log-output.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { ClusterRegistry } from '../upstream/cluster-registry.js';
import { judgeSighting } from './judge-sighting.js';
import type { WorkerTeam } from './worker-team.js';

/** How long whoever reads the log may take for the last of it. */
const LAST_LINES_MS = 500;

export interface Leader {
  readonly clusters: ClusterRegistry;
  readonly output: LogOutput;
  readonly log: Logger;
}

/** Starts the other workers, and sees to what they tell. @throws OperatorError */
export function leadTeam(team: WorkerTeam, { clusters, output, log }: Leader): Promise<void> {
  return team.start({
    onSighting: (sighting) => judgeSighting(clusters, sighting),
    onRoomWanted: ({ cluster, address }) => clusters.find(cluster)?.giveRoom(address),
    onLog: (lines, written) => output.relay(lines, written),
    onLost: (worker, error) => void endWith(worker, error, output, log),
  });
}

/**
 * What a worker had under way is lost, what it held in shared memory will never be given back, and where it held a lock,
 * others wait for it.
 */
async function endWith(
  worker: number,
  error: Error | undefined,
  output: LogOutput,
  log: Logger,
): Promise<void> {
  log.fatal({ worker, err: error }, 'a worker has died, and the sidecar ends with it');
  await output.drain(LAST_LINES_MS);
  process.exit(1);
}
