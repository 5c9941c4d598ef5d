import { createServer, type Socket } from 'node:net';
import type { Test } from 'tap';
import { UpstreamEndpoint, unwatched } from '../../../sidecar/cluster/upstream-endpoint.js';
import { Exchange } from '../../../sidecar/exchange/exchange.js';
import { type Call, type Forwarder, NO_TIMEOUTS, type Step } from '../../../sidecar/exchange/forwarder.js';
import type { Outcome } from '../../../sidecar/exchange/outcome.js';
import type { DownstreamStream } from '../../../sidecar/http/downstream-stream.js';
import { DEFAULT_LIMITS, type HttpLimits } from '../../../sidecar/http/limits.js';
import { ERROR_OF_FAILURE, type UpstreamFailure } from '../../../sidecar/http/upstream-failure.js';
import { DownstreamConnection } from '../../../sidecar/http1/downstream-connection.js';
import { Http2ClientConnection } from '../../../sidecar/http2/client-connection.js';
import { ClientSocket } from '../../../sidecar/net/client-socket.js';
import { exclusivePools } from '../../../sidecar/pool/exclusive-pool.js';
import { sharedPools } from '../../../sidecar/pool/shared-pool.js';
import { toAddress } from '../mesh.js';
import { listening } from './listening.js';

export type Version = 'http1' | 'http2';

/** A proxy made of the codecs, the exchange and a policy that sends everything to one endpoint. */
export class Crossing implements Forwarder {
  readonly timeouts = NO_TIMEOUTS;
  readonly responseChanges = undefined;
  readonly outcomes: Outcome[] = [];
  readonly failures: UpstreamFailure[] = [];
  readonly endpoint: UpstreamEndpoint;
  /** Failures that are followed by another attempt. */
  retries = 0;
  aheadMs = 0;
  readonly limits: HttpLimits;
  private readonly clients = new Set<ClientSocket>();

  private constructor(upstream: string, to: Version, limits: Partial<HttpLimits>) {
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    const settings = { limits: this.limits, nowMs: () => this.nowMs() };
    const newPool = to === 'http1' ? exclusivePools(settings) : sharedPools(settings);
    const { host, port } = toAddress(upstream);
    const config = { host, port, address: upstream, weight: 1, zone: '', status: 'healthy' } as const;
    this.endpoint = new UpstreamEndpoint(
      config,
      5000,
      { newPool, connectFailuresToEject: 3, nowMs: settings.nowMs },
      unwatched(),
    );
  }

  /** @returns the proxy and the address that it listens on */
  static async start(
    t: Test,
    {
      from,
      to,
      upstream,
      limits = {},
    }: { from: Version; to: Version; upstream: string; limits?: Partial<HttpLimits> },
  ): Promise<{ proxy: Crossing; address: string; port: number }> {
    const proxy = new Crossing(upstream, to, limits);
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      proxy.accept(socket, from),
    );
    const bound = await listening(t, server);
    const clock = setInterval(() => proxy.tick(), 50);
    t.teardown(() => {
      clearInterval(clock);
      for (const { handler } of proxy.clients) handler.abort();
      proxy.endpoint.retire();
    });
    return { proxy, ...bound };
  }

  tick(): void {
    for (const { handler } of this.clients) handler.checkDeadlines(this.nowMs());
    this.endpoint.tick(this.nowMs());
  }

  drain(): void {
    for (const { handler } of this.clients) handler.announceEnd();
  }

  nowMs(): number {
    return performance.now() + this.aheadMs;
  }

  private accept(socket: Socket, from: Version): void {
    const client = new ClientSocket(socket, () => this.clients.delete(client));
    this.clients.add(client);
    const owner = {
      limits: this.limits,
      isEnding: false,
      nowMs: () => this.nowMs(),
      onRequest: (downstream: DownstreamStream) =>
        new Exchange(downstream, { limits: this.limits, nowMs: owner.nowMs }, this),
      onRefused() {},
    };
    client.handler =
      from === 'http1' ? new DownstreamConnection(client, owner) : new Http2ClientConnection(client, owner);
  }

  // ---- the policy ----

  begin(): Step {
    return { target: { endpoint: this.endpoint, delayMs: 0, fresh: false } };
  }

  afterFailure(_call: Call, failure: UpstreamFailure): Step {
    this.failures.push(failure);
    if (this.retries-- > 0) return { target: { endpoint: this.endpoint, delayMs: 0, fresh: true } };
    return { reply: { code: ERROR_OF_FAILURE[failure.kind], detail: failure.reason } };
  }

  afterResponse(): undefined {
    return undefined;
  }

  requestEdits() {
    return { requestId: () => 'an-id', via: 'a-mark', baggage: undefined };
  }

  addedFields() {
    return [['x-added', '1']] as const;
  }

  finished(call: Call): void {
    this.outcomes.push(call.outcome);
  }
}
