import { xxh64 } from '../../src/hashing/xxh64.js';
import { type Endpoint, EndpointSet, USABLE } from '../../src/routing/endpoint-set.js';
import { pickEndpoint } from '../../src/routing/pick-endpoint.js';
import type { SpecialFigure } from '../report/results.js';
import { nanosecondsEach } from './repeat.js';

const ENDPOINTS = 1000;
const PICKS = 100_000;
const BUILD_GOAL_MS = 10;
const PICK_GOAL_NS = 300;

/** The ring of a large release: building it when endpoints change, and picking from it for a request. */
export function measureRing(): SpecialFigure[] {
  const endpoints = Array.from({ length: ENDPOINTS }, (_, i): Endpoint => {
    const host = `10.1.${i >> 8}.${i & 255}`;
    return {
      host,
      port: 8080,
      address: `${host}:8080`,
      weight: 1,
      zone: '',
      status: 'healthy',
      activeRequests: 0,
    };
  });
  const build = () =>
    EndpointSet.of(
      endpoints,
      { kind: 'ring-hash', ringSize: 'proportional', tableSize: 65_537, slowStartMs: 0 },
      () => USABLE,
    );
  const builds = nanosecondsEach(1, () => void build().ring());
  const set = build();
  const hashes = Array.from({ length: PICKS }, (_, i) => xxh64(`user-${i}`));
  const picks = nanosecondsEach(PICKS, () => {
    for (const hash of hashes) pickEndpoint(set, hash, [], Math.random);
  });
  const name = `${ENDPOINTS.toLocaleString('en-US')} endpoints`;
  return [
    {
      name: `ring of ${name}, building`,
      unit: 'ms',
      values: builds.map((ns) => ns / 1e6),
      goal: BUILD_GOAL_MS,
    },
    { name: `ring of ${name}, a pick`, unit: 'ns', values: picks, goal: PICK_GOAL_NS },
  ];
}
