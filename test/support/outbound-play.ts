import { Exchange } from '../../sidecar/exchange/exchange.js';
import { AppRefusals } from '../../sidecar/http/app-refusal.js';
import { DEFAULT_LIMITS } from '../../sidecar/http/limits.js';
import { LoopMarks } from '../../sidecar/http/loop-marks.js';
import { ActionCounts } from '../../sidecar/outbound/action-counts.js';
import { DestinationGuard } from '../../sidecar/outbound/destination-guard.js';
import { Mirrors } from '../../sidecar/outbound/mirrors.js';
import { OutboundForwarder, type OutboundServices } from '../../sidecar/outbound/outbound-forwarder.js';
import { OwnPorts } from '../../sidecar/outbound/own-ports.js';
import type { PassthroughEndpoints } from '../../sidecar/outbound/passthrough.js';
import { SessionPins } from '../../sidecar/session/session-pins.js';
import { SessionTable } from '../../sidecar/session/session-table.js';
import { TraceMemory } from '../../sidecar/session/trace-memory.js';
import { OwnTraces } from '../../sidecar/session/trace-store.js';
import { FakeClient, FakeEndpoint, type FakeRequest } from './fake-streams.js';
import { MeshTable } from './mesh-table.js';

/** A call of the app, and what became of it. */
export interface Call {
  readonly client: FakeClient;
  readonly exchange: Exchange;
  readonly policy: OutboundForwarder;
}

/** The outbound policy as it is, with a client and endpoints that a test plays. */
export class OutboundPlay {
  readonly endpoints = new Map<string, FakeEndpoint>();
  readonly mesh = new MeshTable(undefined, undefined, (config) => this.endpointFor(config.address, config));
  nowMs = 1_000_000;
  /** What chance says next; 0 once there is nothing left. */
  readonly chances: number[] = [];
  readonly finished: OutboundForwarder[] = [];
  readonly services: OutboundServices;
  readonly pins: SessionPins;
  readonly outside = new FakeEndpoint();

  /** @param replaced of the services that all calls share */
  constructor(spec: object | undefined, replaced: Partial<OutboundServices> = {}) {
    const table = new SessionTable(100, 0);
    const nowMs = () => this.nowMs;
    const random = () => this.chances.shift() ?? 0;
    this.pins = new SessionPins({ table, nowMs, wallMs: () => this.nowMs });
    this.mesh.wallMs = nowMs;
    if (spec !== undefined) this.apply(spec);
    const self = this;
    this.services = {
      table: () => (spec === undefined ? undefined : this.mesh.table),
      pins: this.pins,
      context: {
        get nowMs() {
          return self.nowMs;
        },
        random,
        findPin: this.pins.find.bind(this.pins),
      },
      traces: new TraceMemory(new OwnTraces(), nowMs),
      actionCounts: new ActionCounts(),
      mirrors: new Mirrors(nowMs, random),
      refusals: new AppRefusals(),
      onDemand: undefined,
      fleetPins: { perService: true, note() {}, await: () => undefined },
      noteUse() {},
      passthrough: undefined,
      loops: new LoopMarks(1n),
      newRequestId: () => 'an-id',
      onFinished: (_, policy) => this.finished.push(policy),
      ...replaced,
    };
  }

  /** Puts a service `checkout` of `shop` in force. */
  apply(spec: object): void {
    this.mesh.apply({
      apiVersion: 'roost.dev/v1alpha1',
      kind: 'MeshService',
      metadata: { name: 'checkout', namespace: 'shop' },
      spec: { port: 80, ...spec },
    });
  }

  /** The endpoint at an address of the service. */
  at(address: string): FakeEndpoint {
    const endpoint = this.endpoints.get(address);
    if (endpoint === undefined) throw new Error(`no endpoint ${address}`);
    return endpoint;
  }

  /** Sends a request's head, and its end where it has no body. */
  call(request: FakeRequest = {}): Call {
    const client = new FakeClient(request);
    const policy = new OutboundForwarder(this.services);
    const settings = { limits: DEFAULT_LIMITS, nowMs: () => this.nowMs };
    const exchange = new Exchange(client.stream, settings, policy);
    client.begin(exchange);
    return { client, exchange, policy };
  }

  /** Lets time pass for a call. */
  after(ms: number, { exchange }: Call): void {
    this.nowMs += ms;
    exchange.checkDeadlines(this.nowMs);
  }

  /** How often routes did something, by what it was. */
  get actions(): Record<string, number> {
    return Object.fromEntries(
      [...this.services.actionCounts.all].map(({ labels, count }) => [labels.action, count]),
    );
  }

  private endpointFor(address: string, config: ConstructorParameters<typeof FakeEndpoint>[0]): FakeEndpoint {
    const known = this.endpoints.get(address) ?? new FakeEndpoint(config);
    this.endpoints.set(address, known);
    return known;
  }
}

/** Hosts outside the mesh, all of which lead to one endpoint. */
export function outsideTo(endpoint: FakeEndpoint): PassthroughEndpoints {
  const guard = new DestinationGuard(new OwnPorts(), () => new Set());
  return { guard, get: () => endpoint } as unknown as PassthroughEndpoints;
}

/** A release of the service with so many endpoints: `10.0.1.1:80` is the first of the first. */
export function release(name: string, ofService: number, count: number, more: object = {}) {
  const endpoints = Array.from({ length: count }, (_, i) => ({ address: `10.0.${ofService}.${i + 1}:80` }));
  return { name, endpoints, ...more };
}
