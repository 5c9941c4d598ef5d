import { packAny } from '../../../src/xds/descriptors.js';
import { FAULT_TYPE } from '../../../src/xds/fault.js';
import { HTTP_CONNECTION_MANAGER_TYPE, ROUTER_TYPE } from '../../../src/xds/listener.js';
import { eventually } from '../processes.js';
import type { NamedProxy } from './two-proxies.js';

/** Resources in Envoy's own fields that a real Envoy and a sidecar take alike. */

export const ADS = { ads: {}, resourceApiVersion: 'V3' };
export const FAULT_FILTER = 'envoy.filters.http.fault';
export const ROUTER = { name: 'envoy.filters.http.router', typedConfig: packAny(ROUTER_TYPE, {}) };
const httpFilters = [{ name: FAULT_FILTER, typedConfig: packAny(FAULT_TYPE, {}) }, ROUTER];
export const RDS = { rds: { routeConfigName: 'routes', configSource: ADS } };

/** For {@link startTwoProxies}. */
export function listener(manager: object): object {
  const all = { statPrefix: 'plain', httpFilters, ...manager };
  const typedConfig = packAny(HTTP_CONNECTION_MANAGER_TYPE, all);
  return {
    name: 'outbound',
    address: { socketAddress: { address: '127.0.0.1', portValue: 0 } },
    filterChains: [{ filters: [{ name: 'http', typedConfig }] }],
  };
}

export const cluster = (name: string, more: object = {}) => ({
  name,
  connectTimeout: { seconds: 1 },
  ...('type' in more ? {} : { type: 'EDS', edsClusterConfig: { edsConfig: ADS } }),
  ...more,
});

/** The host of a case. */
export const hostOf = (index: number) => `case-${index}.test`;

export async function untilEnvoyHas(
  proxies: readonly NamedProxy[],
  host: string,
): Promise<[NamedProxy, NamedProxy]> {
  const [envoy, roost] = proxies as [NamedProxy, NamedProxy];
  await eventually('envoy has its configuration', async () => (await envoy.call(host)).status === 200);
  return [envoy, roost];
}
