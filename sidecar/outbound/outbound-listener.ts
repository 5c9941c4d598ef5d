import type { LocalReply } from '../../src/http/error-catalogue.js';
import { type SocketAddress, splitHostPort } from '../../src/model/formats.js';
import { type DecisionContext, findRoute, place } from '../../src/routing/decide.js';
import { plainRequest } from '../../src/routing/request-view.js';
import type { VirtualHost } from '../../src/routing/table.js';
import { formatAddress } from '../../src/xds/fields.js';
import { Exchange } from '../exchange/exchange.js';
import { ImmediateAnswer } from '../exchange/immediate-answer.js';
import type { DownstreamUser } from '../http/downstream-stream.js';
import type { HttpLimits } from '../http/limits.js';
import type { DownstreamConnection } from '../http1/downstream-connection.js';
import type { ConcurrencySlots } from '../net/concurrency-slots.js';
import { Listener } from '../net/listener.js';
import { CONNECT_GRANTED, OpaqueTunnel, type TunnelEnd, type TunnelSettings } from '../tcp/opaque-tunnel.js';
import { AwaitedHost } from './awaited-host.js';
import { HostLookup } from './host-lookup.js';
import { OutboundForwarder, type OutboundServices } from './outbound-forwarder.js';

export interface OutboundOptions {
  readonly services: OutboundServices;
  readonly limits: HttpLimits;
  readonly slots: ConcurrencySlots;
  readonly context: DecisionContext;
  nowMs(): number;
  onRefused(reply: LocalReply, client: string): void;
}

const CONNECT_TIMEOUT_MS = 5000;

/**
 * Where the local app's calls arrive: requests by `Host`, requests in absolute form, and CONNECT, what comes
 * through which is looked at like a fresh connection.
 */
export function createOutboundListener(options: OutboundOptions): Listener {
  const { services, limits, slots } = options;
  const tunnels = { limits, nowMs: () => options.nowMs(), connectTimeoutMs: CONNECT_TIMEOUT_MS };
  return new Listener({
    what: 'outbound calls (--outbound)',
    limits,
    slots,
    nowMs: tunnels.nowMs,
    onRefused: options.onRefused,
    onRequest(connection): DownstreamUser {
      if (connection.request.method === 'CONNECT') return connectUser(connection, options, tunnels);
      return new Exchange(connection, { limits, nowMs: tunnels.nowMs }, new OutboundForwarder(services));
    },
    onOpaque: (connection) => new OpaqueTunnel(connection, opaqueEnd(connection, options), false, tunnels),
  });
}

function connectUser(
  connection: DownstreamConnection,
  options: OutboundOptions,
  tunnels: TunnelSettings,
): DownstreamUser {
  const { services } = options;
  const { authority } = connection.request;
  const refuse = (reply: LocalReply) => new OpaqueTunnel(connection, reply, true, tunnels);
  const destination = splitHostPort(authority);
  if (destination === undefined)
    return refuse({ code: 'malformed-request', detail: `${authority} is not a HOST:PORT` });
  // Whether somebody declared the host is not known yet.
  if (services.table() === undefined)
    return refuse({ code: 'not-ready', detail: 'the control plane has not sent any' });
  if (isInMesh(connection, options)) return tunnelInto(connection, destination);
  const leaveMesh = () =>
    services.passthrough === undefined
      ? refuse({ code: 'unknown-host', detail: authority })
      : new OpaqueTunnel(connection, outsideEnd(connection, destination, services), true, tunnels);
  if (services.onDemand === undefined) return leaveMesh();
  return new AwaitedHost(connection, {
    lookup: new HostLookup(services.onDemand),
    decide: () => (isInMesh(connection, options) ? tunnelInto(connection, destination) : leaveMesh()),
    refuse,
    nowMs: tunnels.nowMs,
  });
}

/** Grants a CONNECT, what comes through which is looked at like a fresh connection. */
function tunnelInto(connection: DownstreamConnection, destination: SocketAddress): DownstreamUser {
  return new ImmediateAnswer(() => {
    connection.writer.writeText(CONNECT_GRANTED);
    connection.startOver(destination);
  });
}

function isInMesh({ request }: DownstreamConnection, { services }: OutboundOptions): boolean {
  return services.table()?.find(request.authority) !== undefined;
}

/** Where a connection's bytes go that are no HTTP: to an endpoint of the service, or where they were going. */
function opaqueEnd(connection: DownstreamConnection, options: OutboundOptions): TunnelEnd {
  const { destination } = connection;
  if (destination === undefined) return { code: 'unknown-host', detail: '' };
  const host = options.services.table()?.find(formatAddress(destination.host, destination.port));
  return host === undefined
    ? outsideEnd(connection, destination, options.services)
    : endpointOf(host, options.context);
}

/** A destination outside the mesh, which the client has named. */
function outsideEnd(
  { isFromMachine }: DownstreamConnection,
  destination: SocketAddress,
  { passthrough }: OutboundServices,
): TunnelEnd {
  const { host, port } = destination;
  if (passthrough === undefined) return { code: 'unknown-host', detail: formatAddress(host, port) };
  const { guard } = passthrough;
  return (
    guard.refusal(destination, isFromMachine) ?? {
      ...destination,
      lookup: guard.lookupFor(port, isFromMachine),
    }
  );
}

function endpointOf(host: VirtualHost, context: DecisionContext): TunnelEnd {
  const request = plainRequest({});
  const route = findRoute(host, request, context.random);
  // A route that redirects leads to no endpoint, and what is not HTTP cannot be sent elsewhere.
  const placed = route?.actions?.redirect ? undefined : route && place(host, route, request, context);
  if (placed?.endpoint === undefined) return { code: 'no-endpoint', detail: host.service.label };
  return { host: placed.endpoint.host, port: placed.endpoint.port };
}
