import type { EndpointLoad } from '../../src/xds/load-report.js';

/** Nothing but what is given. */
export const endpointLoad = (address: string, fields: Partial<EndpointLoad> = {}): EndpointLoad => ({
  address,
  issued: 0,
  succeeded: 0,
  failed: 0,
  inFlight: 0,
  latencySumMs: 0,
  timed: 0,
  pins: 0,
  ...fields,
});
