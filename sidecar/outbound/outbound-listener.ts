import type { LocalReply } from '../../src/http/error-catalogue.js';
import { type SocketAddress, splitHostPort } from '../../src/model/formats.js';
import { formatAddress } from '../../src/net/ip-address.js';
import type { DecisionContext } from '../../src/routing/decide.js';
import { Exchange } from '../exchange/exchange.js';
import { ImmediateAnswer } from '../exchange/immediate-answer.js';
import type { DownstreamUser } from '../http/downstream-stream.js';
import type { DownstreamConnection } from '../http1/downstream-connection.js';
import { Dispatcher, type DispatchSettings } from '../intercept/dispatcher.js';
import type { ClientSocket } from '../net/client-socket.js';
import type { ConcurrencySlots } from '../net/concurrency-slots.js';
import { Listener } from '../net/listener.js';
import { TcpTunnel, type TunnelRoute } from '../tcp/tcp-tunnel.js';
import { AwaitedHost } from './awaited-host.js';
import { HostLookup } from './host-lookup.js';
import { OutboundForwarder, type OutboundServices } from './outbound-forwarder.js';
import { OutsideConnect } from './outside-connect.js';
import { type OnTunnelFinished, OutsideTunnelRoute, ServiceTunnelRoute } from './tunnel-routes.js';

export interface OutboundOptions {
  readonly services: OutboundServices;
  readonly dispatch: DispatchSettings;
  readonly slots: ConcurrencySlots;
  readonly context: DecisionContext;
  readonly onTunnelFinished: OnTunnelFinished;
  onRefused(reply: LocalReply, client: string): void;
}

const NO_CONNECT: LocalReply = {
  code: 'malformed-request',
  detail: 'CONNECT is served over HTTP/1.1 only',
};

/**
 * Where the local app's calls arrive: requests by `Host`, requests in absolute form, CONNECT, what comes through which
 * is looked at like a fresh connection, and connections that were redirected here.
 */
export function createOutboundListener(options: OutboundOptions): Listener {
  const { services, dispatch, slots, onRefused } = options;
  const { limits, nowMs } = dispatch;
  const settings = { limits, nowMs };
  const overHttp2 = { ...services, passthrough: services.passthrough?.over('http2') };
  const dispatcher: Dispatcher = new Dispatcher(dispatch, {
    onRequest: (connection) =>
      connection.request.method === 'CONNECT'
        ? connectUser(connection, options, dispatcher)
        : new Exchange(connection, settings, new OutboundForwarder(services)),
    onStream: (stream) =>
      stream.request.method === 'CONNECT'
        ? new ImmediateAnswer(() => stream.answer(NO_CONNECT))
        : new Exchange(stream, settings, new OutboundForwarder(overHttp2)),
    onOpaque: (client) => new TcpTunnel(client, tunnelRoute(client, options), settings).start(),
    onRefused,
  });
  const { maxConnections } = limits;
  return new Listener({ what: 'outbound calls (--outbound)', maxConnections, slots }, dispatcher);
}

function connectUser(
  connection: DownstreamConnection,
  options: OutboundOptions,
  dispatcher: Dispatcher,
): DownstreamUser {
  const { services, dispatch, onTunnelFinished } = options;
  const { authority } = connection.request;
  const refuse = (reply: LocalReply) => new ImmediateAnswer(() => connection.answerLast(reply));
  const destination = splitHostPort(authority);
  if (destination === undefined)
    return refuse({ code: 'malformed-request', detail: `${authority} is not a HOST:PORT` });
  // Whether somebody declared the host is not known yet.
  if (services.table() === undefined)
    return refuse({ code: 'not-ready', detail: 'the control plane has not sent any' });
  const intoMesh = () =>
    new ImmediateAnswer(() => connection.handOver((client) => dispatcher.serveToward(client, destination)));
  if (isInMesh(authority, options)) return intoMesh();
  const leaveMesh = () => {
    const { client } = connection;
    const route = new OutsideTunnelRoute(client, destination, services.passthrough, onTunnelFinished);
    return new OutsideConnect(connection, route, dispatch);
  };
  if (services.onDemand === undefined) return leaveMesh();
  return new AwaitedHost(connection, {
    lookup: new HostLookup(services.onDemand),
    decide: () => (isInMesh(authority, options) ? intoMesh() : leaveMesh()),
    refuse,
    nowMs: dispatch.nowMs,
  });
}

function isInMesh(authority: string, { services }: OutboundOptions): boolean {
  return services.table()?.find(authority) !== undefined;
}

/** Where a connection's bytes go that are not HTTP: to an endpoint of the service, or where they were going. */
function tunnelRoute(client: ClientSocket, options: OutboundOptions): TunnelRoute {
  const { services, context, onTunnelFinished } = options;
  const destination = client.destination as SocketAddress;
  const host = services.table()?.find(formatAddress(destination.host, destination.port));
  return host === undefined
    ? new OutsideTunnelRoute(client, destination, services.passthrough, onTunnelFinished)
    : new ServiceTunnelRoute(client, host, context, onTunnelFinished);
}
