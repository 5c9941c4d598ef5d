import type { NewPool } from '../cluster/stream-pool.js';
import { exclusivePools, type PoolSettings } from './exclusive-pool.js';
import { sharedPools } from './shared-pool.js';

/** What makes the pools of all endpoints, each for what its endpoint is spoken to with. */
export function pools(settings: PoolSettings): NewPool {
  const [exclusive, shared] = [exclusivePools(settings), sharedPools(settings)];
  return (owner) => (owner.protocol === 'http2' ? shared(owner) : exclusive(owner));
}
