import { HTTP_CONNECTION_MANAGER_TYPE } from '../../../src/xds/listener.js';

/** Packages and types of Envoy's API that tests name fields of. */
export const LISTENER = 'envoy.config.listener.v3';
export const ROUTE = 'envoy.config.route.v3';
export const CLUSTER = 'envoy.config.cluster.v3';
export const ENDPOINT = 'envoy.config.endpoint.v3';
export const CORE = 'envoy.config.core.v3';
export const LB = 'envoy.extensions.load_balancing_policies';
export const TLS = 'envoy.extensions.transport_sockets.tls.v3';
export const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
export const MANAGER_PACKAGE = HTTP_CONNECTION_MANAGER_TYPE.slice(
  0,
  HTTP_CONNECTION_MANAGER_TYPE.lastIndexOf('.'),
);

/** Fields of a message, as `CARRIERS` takes them. */
export type Fields = Readonly<Record<string, unknown>>;
