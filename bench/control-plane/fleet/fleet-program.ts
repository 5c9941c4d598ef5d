import type { SocketAddress } from '../../../src/model/formats.js';
import { type Change, Fleet, type Holding } from './fleet.js';

/**
 * The process that holds the simulated sidecars, so that what they cost is not counted as the control plane's.
 * Requests come over IPC, one at a time, and each is answered.
 */
export type FleetRequest =
  | { readonly do: 'explore'; readonly address: SocketAddress }
  | { readonly do: 'connect'; readonly count: number; readonly holding: Holding }
  | { readonly do: 'arm' }
  | { readonly do: 'reached'; readonly revision: number; readonly listener?: string | undefined }
  | { readonly do: 'lags'; readonly changes: readonly Change[] }
  | { readonly do: 'watchAges' }
  | { readonly do: 'ages' }
  | { readonly do: 'counts' };

export type FleetAnswer = { readonly value: unknown } | { readonly error: string };

let fleet: Fleet | undefined;

async function serve(request: FleetRequest): Promise<unknown> {
  if (request.do === 'explore') {
    fleet = new Fleet(request.address);
    return fleet.explore();
  }
  if (fleet === undefined) throw new Error('explore comes first');
  switch (request.do) {
    case 'connect':
      return fleet.connect(request.count, request.holding);
    case 'arm':
      return fleet.arm();
    case 'reached':
      return fleet.reached(request.revision, request.listener);
    case 'lags':
      return fleet.lags(request.changes);
    case 'watchAges':
      return fleet.watchAges();
    case 'ages':
      return fleet.ages;
    case 'counts':
      return fleet.counted;
  }
}

process.on('message', (request: FleetRequest) => {
  serve(request).then(
    (value) => process.send?.({ value }),
    (error: unknown) => process.send?.({ error: String((error as Error).stack) }),
  );
});
process.on('disconnect', () => process.exit());
// By hand, so that a profile is written.
process.on('SIGTERM', () => process.exit());
