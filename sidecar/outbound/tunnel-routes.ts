import { isIP } from 'node:net';
import type { LocalReply } from '../../src/http/error-catalogue.js';
import type { SocketAddress } from '../../src/model/formats.js';
import { formatAddress } from '../../src/net/ip-address.js';
import {
  type DecisionContext,
  findRoute,
  type Placement,
  place,
  placeAgain,
} from '../../src/routing/decide.js';
import type { Endpoint } from '../../src/routing/endpoint-set.js';
import type { Release } from '../../src/routing/release.js';
import { plainRequest } from '../../src/routing/request-view.js';
import type { VirtualHost } from '../../src/routing/table.js';
import { upstreamOf } from '../cluster/cluster-view.js';
import type { UpstreamEndpoint } from '../cluster/upstream-endpoint.js';
import type { ClientSocket } from '../net/client-socket.js';
import type { TunnelOutcome, TunnelRoute } from '../tcp/tcp-tunnel.js';
import { refusalCode } from './destination-guard.js';
import type { Passthrough } from './passthrough.js';

/** A connection that was carried as it is, and what was decided for it. */
export interface OutboundTunnel {
  readonly destination: SocketAddress | undefined;
  /** Address of the caller, without the port. */
  readonly caller: string;
  readonly host: VirtualHost | undefined;
  readonly placement: Placement | undefined;
  readonly endpoint: UpstreamEndpoint | undefined;
}

export type OnTunnelFinished = (tunnel: OutboundTunnel, outcome: TunnelOutcome, startedAt: number) => void;

/** Where a tunnel to a service of the mesh goes: weights, affinity by address, limits and health count as for requests. */
export class ServiceTunnelRoute implements TunnelRoute, OutboundTunnel {
  placement: Placement | undefined;
  endpoint: UpstreamEndpoint | undefined;
  readonly caller: string;
  readonly destination: SocketAddress | undefined;
  private readonly tried: Endpoint[] = [];
  /** Releases none of whose endpoints took the connection. */
  private readonly refused: Release[] = [];

  constructor(
    { sourceIp, destination }: ClientSocket,
    readonly host: VirtualHost,
    private readonly context: DecisionContext,
    private readonly onFinished: OnTunnelFinished,
  ) {
    this.caller = sourceIp;
    this.destination = destination;
  }

  next(failure: string | undefined): UpstreamEndpoint | LocalReply {
    if (failure === undefined || this.placement === undefined) return this.place(failure);
    const next = placeAgain(this.placement, this.tried, this.context.random);
    if (next !== undefined) return this.take(next);
    this.refused.push(this.placement.release);
    return this.place(failure);
  }

  finished(outcome: TunnelOutcome, startedAt: number): void {
    this.onFinished(this, outcome, startedAt);
  }

  private place(failure: string | undefined): UpstreamEndpoint | LocalReply {
    const { host, context } = this;
    const request = plainRequest({ sourceIp: this.caller });
    const route = findRoute(host, request, context.random);
    // A route that redirects leads to no endpoint, and what is not HTTP cannot be sent elsewhere.
    const placed = route?.actions?.redirect
      ? undefined
      : route && place(host, route, request, context, this.refused);
    if (placed?.endpoint === undefined || this.tried.includes(placed.endpoint)) {
      const detail = failure === undefined ? host.service.label : `${host.service.label}: ${failure}`;
      return { code: failure === undefined ? 'no-endpoint' : 'connect-failure', detail };
    }
    this.placement = placed;
    return this.take(placed.endpoint);
  }

  private take(endpoint: Endpoint): UpstreamEndpoint {
    this.tried.push(endpoint);
    this.endpoint = upstreamOf(endpoint);
    return this.endpoint;
  }
}

/** Where a tunnel to a destination outside the mesh goes: to the one place that the client named. */
export class OutsideTunnelRoute implements TunnelRoute, OutboundTunnel {
  readonly host = undefined;
  readonly placement = undefined;
  endpoint: UpstreamEndpoint | undefined;
  readonly caller: string;

  /** @param passthrough undefined: such destinations are refused */
  constructor(
    private readonly client: ClientSocket,
    readonly destination: SocketAddress,
    private readonly passthrough: Passthrough | undefined,
    private readonly onFinished: OnTunnelFinished,
  ) {
    this.caller = client.sourceIp;
  }

  next(failure: string | undefined): UpstreamEndpoint | LocalReply {
    const { host, port } = this.destination;
    const { passthrough } = this;
    if (passthrough === undefined) return { code: 'unknown-host', detail: formatAddress(host, port) };
    if (failure !== undefined) return { code: refusalCode(failure) ?? 'connect-failure', detail: failure };
    const { isFromMachine } = this.client;
    const refusal = isIP(host) === 0 ? undefined : passthrough.guard.refusal(this.destination, isFromMachine);
    if (refusal !== undefined) return refusal;
    this.endpoint = passthrough.get(this.destination, isFromMachine);
    return this.endpoint;
  }

  finished(outcome: TunnelOutcome, startedAt: number): void {
    this.onFinished(this, outcome, startedAt);
  }
}
