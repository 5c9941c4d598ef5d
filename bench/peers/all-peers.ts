import { direct } from './direct.js';
import { envoy } from './envoy.js';
import { haproxy } from './haproxy.js';
import { nginx } from './nginx.js';
import { nodeUndici } from './node-undici.js';
import type { Peer } from './peer.js';
import { roost } from './roost.js';

/** Every peer, in the order of the table. */
export function allPeers(envoyPath: string | undefined): readonly Peer[] {
  return [direct, haproxy, nginx, envoy(envoyPath), nodeUndici, roost];
}

/** Whose saturation the fixed rate is half of: Envoy's, or else that of the slowest proxy that is there. */
export const RATE_BASES: readonly string[] = ['envoy', nodeUndici.name, roost.name, nginx.name, haproxy.name];
