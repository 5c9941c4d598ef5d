import { BlockList } from 'node:net';
import { ClusterRegistry } from '../../sidecar/cluster/cluster-registry.js';
import { OWN_COUNTS } from '../../sidecar/cluster/counts-source.js';
import { LiveCluster } from '../../sidecar/cluster/live-cluster.js';
import { DEFAULT_LIMITS } from '../../sidecar/http/limits.js';
import { exclusivePools } from '../../sidecar/pool/exclusive-pool.js';
import { createLogger } from '../../src/telemetry/logger.js';

/** A machine with no addresses of its own. */
export const ELSEWHERE = { namespace: 'default', addresses: () => new BlockList() };

/** Clusters of a sidecar with one worker, whose names resolve to nothing. */
export function quietRegistry(nowMs: () => number): ClusterRegistry {
  const log = createLogger('test', 'silent');
  const settings = {
    newPool: exclusivePools({ limits: DEFAULT_LIMITS, nowMs }),
    connectFailuresToEject: 3,
    nowMs,
    counts: OWN_COUNTS,
    machine: ELSEWHERE,
    asksForCalled: false,
    onCondition() {},
    askForRoom: undefined,
  };
  return new ClusterRegistry(
    (name, onAwake) => new LiveCluster(name, settings, log, onAwake),
    () => ({ close() {} }),
  );
}
