import type { LocalReply } from '../../src/http/error-catalogue.js';
import type { UpstreamEndpoint } from '../cluster/upstream-endpoint.js';
import type { ClientSocket } from '../net/client-socket.js';
import type { TunnelOutcome, TunnelRoute } from '../tcp/tcp-tunnel.js';
import type { AppEndpoints } from './app-endpoints.js';

/** A connection to the local app that was carried as it is. */
export interface InboundTunnel {
  /** Address of the caller, without the port. */
  readonly caller: string;
  readonly endpoint: UpstreamEndpoint | undefined;
}

export type OnAppTunnelFinished = (tunnel: InboundTunnel, outcome: TunnelOutcome, startedAt: number) => void;

/** Leads a connection whose bytes are not HTTP to the port of the app that the client dialled. */
export class AppTunnelRoute implements TunnelRoute, InboundTunnel {
  endpoint: UpstreamEndpoint | undefined;
  readonly caller: string;

  constructor(
    private readonly client: ClientSocket,
    private readonly apps: AppEndpoints,
    private readonly onFinished: OnAppTunnelFinished,
  ) {
    this.caller = client.sourceIp;
  }

  next(failure: string | undefined): UpstreamEndpoint | LocalReply {
    if (failure !== undefined)
      return { code: 'connect-failure', detail: `the app at ${this.endpoint?.address ?? ''}: ${failure}` };
    const endpoint = this.apps.at(this.client.destination);
    if (!('code' in endpoint)) this.endpoint = endpoint;
    return endpoint;
  }

  finished(outcome: TunnelOutcome, startedAt: number): void {
    this.onFinished(this, outcome, startedAt);
  }
}
