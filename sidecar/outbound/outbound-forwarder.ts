import { readBaggage, withBaggage } from '../../src/http/baggage.js';
import { ERROR_CATALOGUE } from '../../src/http/error-catalogue.js';
import { type Field, NO_FIELDS } from '../../src/http/field-line.js';
import { headerName } from '../../src/http/header-name.js';
import {
  changesWith,
  type FieldChanges,
  type Mirror,
  type RequestChanges,
} from '../../src/routing/actions.js';
import {
  type DecisionContext,
  findRoute,
  LANE_MEMBER,
  type NoEndpoint,
  type Placement,
  place,
  placeAgain,
} from '../../src/routing/decide.js';
import type { Endpoint } from '../../src/routing/endpoint-set.js';
import type { RequestView } from '../../src/routing/request-view.js';
import type { Release, Route, RoutingTable, VirtualHost } from '../../src/routing/table.js';
import { formatAddress } from '../../src/xds/fields.js';
import type { ClusterLoad } from '../cluster/cluster-load.js';
import { upstreamOf } from '../cluster/live-cluster.js';
import type { UpstreamEndpoint } from '../cluster/upstream-endpoint.js';
import type { HostDemand } from '../discovery/on-demand.js';
import type { Call } from '../exchange/forwarder.js';
import { type AttemptTarget, type Forwarder, NO_TIMEOUTS, type Step } from '../exchange/forwarder.js';
import type { Outcome } from '../exchange/outcome.js';
import { APP_REFUSES, type AppRefusals } from '../http/app-refusal.js';
import type { LoopMarks } from '../http/loop-marks.js';
import type { RequestEdits, ResponseMessage } from '../http/message.js';
import { ERROR_OF_FAILURE, type UpstreamFailure } from '../http/upstream-failure.js';
import type { SessionPins } from '../session/session-pins.js';
import type { FleetPins, PinWait } from '../session/sharing/fleet-pins.js';
import { KEYS_MEMBER } from '../session/trace-keys.js';
import { missingKeys, TracedRequest, type TraceMemory } from '../session/trace-memory.js';
import type { TraceEntry } from '../session/trace-store.js';
import type { ActionCounts } from './action-counts.js';
import { withCallersTimeout } from './callers-timeout.js';
import { refusalCode } from './destination-guard.js';
import { HostLookup } from './host-lookup.js';
import type { Mirrors } from './mirrors.js';
import type { PassthroughEndpoints } from './passthrough.js';
import { backOffMs, retriesFailure, retriesStatus } from './retry.js';
import { type ActedOn, actBeforePlacing, mirrorWhenWhole, withShadowHost } from './route-actions.js';

/** What all outbound exchanges share. */
export interface OutboundServices {
  /** The routing table of this instant; undefined until the first configuration is in force. */
  table(): RoutingTable | undefined;
  readonly pins: SessionPins;
  readonly context: DecisionContext;
  readonly traces: TraceMemory;
  readonly actionCounts: ActionCounts;
  readonly mirrors: Mirrors;
  /** What sidecars say of their apps. */
  readonly refusals: AppRefusals;
  /** Where hosts are looked up that are not in the table; undefined: nowhere, the table has all there are. */
  readonly onDemand: HostDemand | undefined;
  /** Where sessions may have pins that are not here. */
  readonly fleetPins: FleetPins;
  /** Something is sent by way of a virtual host; only told where there is {@link onDemand}. */
  noteUse(host: VirtualHost): void;
  /** Where requests for hosts that nobody declared go, where their destination is known; undefined: nowhere. */
  readonly passthrough: PassthroughEndpoints | undefined;
  readonly loops: LoopMarks;
  newRequestId(): string;
  /** An exchange is over. */
  onFinished(call: Call, forwarder: OutboundForwarder): void;
}

const BAGGAGE = headerName('baggage');
const REFUSES = headerName(APP_REFUSES);
const ROOST_ERROR = headerName('x-roost-error');
const BAD_GATEWAY = 502;

/** Sends one request of the local app to the release and endpoint that the routing decision names. */
export class OutboundForwarder implements Forwarder {
  host: VirtualHost | undefined;
  route: Route | undefined;
  placement: Placement | undefined;
  /** The endpoint of the present attempt. */
  endpoint: UpstreamEndpoint | undefined;
  /** Attempts that reached an upstream and failed there. */
  retries = 0;
  /** When the present attempt began, of `performance.now()`. */
  private attemptAt = 0;
  timeouts = NO_TIMEOUTS;
  private via = '';
  private trace: TraceEntry | undefined;
  private lookup: HostLookup | undefined;
  /** The wait for pins that others may have; one for each request. */
  private pinWait: PinWait | undefined;
  /** Whose budget the present retry is taken from. */
  private retrying: ClusterLoad | undefined;
  private readonly tried: Endpoint[] = [];
  /** Releases none of whose endpoints took a connection for this request. */
  private readonly refused: Release[] = [];

  constructor(private readonly services: OutboundServices) {}

  begin(call: Call): Step {
    this.attemptAt = call.startedAt;
    const table = this.services.table();
    if (table === undefined)
      return { reply: { code: 'not-ready', detail: 'the control plane has not sent any' } };
    const { request, destination } = call.downstream;
    const via = this.services.loops.pass(request);
    if (typeof via !== 'string') return { reply: via };
    this.via = via;
    this.host =
      table.find(request.authority) ??
      (destination && table.find(formatAddress(destination.host, destination.port)));
    if (this.host === undefined) return this.lookUp(call);
    if (this.services.onDemand !== undefined) this.services.noteUse(this.host);
    this.route = findRoute(this.host, request, this.services.context.random);
    if (this.route === undefined)
      return {
        reply: {
          code: 'no-route',
          detail: `${request.method} ${request.path} on ${this.host.service.label}`,
        },
      };
    const { host, route } = this;
    this.timeouts = withCallersTimeout(route.timeouts, request);
    if (route.actions === undefined) return this.place(call);
    const acted = { host, route, actions: route.actions, request };
    return actBeforePlacing(acted, this.services, () => this.place(call, () => this.copyTo(call, acted)));
  }

  /** A host that is not in the table may only not have been asked for. */
  private lookUp(call: Call): Step {
    const { onDemand } = this.services;
    if (onDemand === undefined) return this.leaveMesh(call);
    this.lookup ??= new HostLookup(onDemand);
    const step = this.lookup.step(call.downstream.request.authority, () => call.wake());
    if (step === undefined) return this.leaveMesh(call);
    return 'reply' in step ? step : { waitMs: step.waitMs, afterwards: () => this.begin(call) };
  }

  /** Nobody declared the host. */
  private leaveMesh({ downstream }: Call): Step {
    const { passthrough } = this.services;
    const { request, isFromMachine } = downstream;
    // Of a host that only `Host` names, nothing says that the client does not mean this very port.
    const destination = downstream.destination ?? request.targetOrigin;
    if (passthrough === undefined || destination === undefined)
      return { reply: { code: 'unknown-host', detail: request.authority } };
    const refusal = passthrough.guard.refusal(destination, isFromMachine);
    if (refusal !== undefined) return { reply: refusal };
    return { target: this.targetOn(passthrough.get(destination, isFromMachine), false) };
  }

  private copyTo(call: Call, acted: ActedOn): void {
    const editsFor = ({ release, marksHost }: Mirror) => {
      const edits = this.requestEdits(call);
      const baggage = this.baggageFor(acted.request, release);
      const changes = marksHost ? withShadowHost(edits.changes, acted.request.authority) : edits.changes;
      return { ...edits, baggage, changes, offersNothing: true };
    };
    mirrorWhenWhole(call, acted, this.services, editsFor);
  }

  get responseChanges(): FieldChanges | undefined {
    return changesWith(this.route?.actions, this.placement?.release)?.response;
  }

  afterFailure(call: Call, failure: UpstreamFailure): Step {
    const { placement, endpoint, route } = this;
    if (failure.kind === 'overloaded') return this.afterOverload(failure);
    if (endpoint !== undefined && call.canReplay && retriesFailure(route?.retry, failure.kind, call.method)) {
      if (failure.kind === 'stale') return { target: this.targetOn(endpoint, true) };
      const step = placement && this.tryElsewhere(call, placement, failure);
      if (step !== undefined) return step;
    }
    return {
      reply: {
        code: refusalCode(failure.reason) ?? ERROR_OF_FAILURE[failure.kind],
        detail: `${this.describeEndpoint()}: ${failure.reason}`,
      },
    };
  }

  private tryElsewhere(call: Call, placement: Placement, failure: UpstreamFailure): Step | undefined {
    return failure.kind === 'connect' ? this.afterRefusal(call, failure) : this.retry(placement);
  }

  afterResponse(call: Call, response: ResponseMessage): Step | undefined {
    const { placement, endpoint } = this;
    if (placement === undefined) return undefined;
    if (this.appRefuses(call, response)) {
      endpoint?.onAppRefused();
      return this.afterFailure(call, { kind: 'connect', reason: 'the app behind its sidecar refuses' });
    }
    if (endpoint?.appRefuses) endpoint.onAppAnswered();
    if (!call.canReplay || isLoop(response)) return undefined;
    if (!retriesStatus(this.route?.retry, response.status, call.method)) return undefined;
    return this.retry(placement);
  }

  /** The endpoint is a sidecar whose app took no connection: as if none had been made, whatever the method. */
  private appRefuses(call: Call, response: ResponseMessage): boolean {
    const said = response.status === BAD_GATEWAY ? response.header(REFUSES) : undefined;
    if (said === undefined) return false;
    return this.services.refusals.isTrue(said, call.upstreamAddress, call.downstream.request.id);
  }

  requestEdits(call: Call): RequestEdits {
    return {
      requestId: this.services.newRequestId,
      via: this.via,
      baggage: this.baggageFor(call.downstream.request, this.placement?.release),
      changes: this.requestChanges,
    };
  }

  private get requestChanges(): RequestChanges | undefined {
    return changesWith(this.route?.actions, this.placement?.release)?.request;
  }

  /** S8: the lane goes on, and so do the keys that the trace arrived with and the app left out. */
  private baggageFor(request: RequestView, release: Release | undefined): string | undefined {
    const own = request.header(BAGGAGE);
    const lane = this.laneFor(own ?? '', release);
    const withLane = lane === '' ? own : withBaggage(own, LANE_MEMBER, lane);
    const keys = this.trace && missingKeys(request, this.trace);
    const all = keys === undefined ? withLane : withBaggage(withLane, KEYS_MEMBER, keys);
    return all === own ? undefined : all;
  }

  /** The lane of the chosen release; without one, that which the trace arrived with, unless the request has its own. */
  private laneFor(own: string, release: Release | undefined): string {
    const chosen = release?.lane ?? '';
    if (chosen !== '' || this.trace === undefined) return chosen;
    return readBaggage(own, LANE_MEMBER) === undefined ? this.trace.lane : '';
  }

  addedFields({ downstream }: Call, response: ResponseMessage): readonly Field[] {
    this.endRetry();
    const stateful = this.placement?.route.stateful;
    const { request } = downstream;
    const cookie = this.sessionCookie(response, request.sourceIp);
    if (stateful === undefined) return cookie === undefined ? NO_FIELDS : [cookie];
    const { address } = this.endpoint as UpstreamEndpoint;
    return [stateful.fieldFor(request, address), cookie].filter((field) => field !== undefined);
  }

  /** The cookie that a session of ours is due. */
  private sessionCookie(response: ResponseMessage, caller: string): Field | undefined {
    if (this.placement === undefined) return undefined;
    const { pins } = this.services;
    // What the route takes away, the upstream does not set.
    const set = this.responseChanges?.dropped.has('set-cookie') ? NOTHING_SET : response;
    const cookie = pins.keep(this.placement, this.endpoint as UpstreamEndpoint, set, caller);
    return cookie === undefined ? undefined : ['set-cookie', cookie];
  }

  finished(call: Call): void {
    this.lookup?.end();
    this.pinWait?.cancel();
    this.endRetry();
    this.services.onFinished(call, this);
  }

  /** The request, with what its trace arrived with where the app left that out (S8). */
  private sessionView(call: Call): RequestView {
    const { request } = call.downstream;
    this.trace ??= this.services.traces.find(request);
    return this.trace === undefined ? request : new TracedRequest(request, this.trace);
  }

  /** @param onPlaced called once it is known where the request goes */
  private place(call: Call, onPlaced?: () => void): Step {
    const { host, route } = this as { host: VirtualHost; route: Route };
    const placed = place(host, route, this.sessionView(call), this.services.context, this.refused);
    if (placed.endpoint === undefined) return { reply: noEndpoint(host, placed) };
    if (this.awaitPin(call, placed))
      return { waitMs: this.pinWait?.waitMs ?? 0, afterwards: () => this.place(call, onPlaced) };
    this.placement = placed;
    onPlaced?.();
    return { target: this.targetOn(upstreamOf(placed.endpoint), false) };
  }

  /** S6: a sidecar that has not been told of the service's pins waits for them, once and not for long. */
  private awaitPin(call: Call, { session, pin, route: { affinity } }: Placement): boolean {
    if (pin !== undefined || session === undefined || session.cookie !== undefined) return false;
    if (!affinity?.sharesPins || this.pinWait !== undefined) return false;
    this.pinWait = this.services.fleetPins.await(affinity.service, session.pinHash ^ affinity.scope, () =>
      call.wake(),
    );
    return this.pinWait !== undefined;
  }

  /**
   * Nothing of the request has left yet, so every other endpoint of the release may be asked, and when all have
   * refused, the release counts as one without usable endpoints.
   */
  private afterRefusal(call: Call, failure: UpstreamFailure): Step | undefined {
    const { placement, host } = this as { placement: Placement; host: VirtualHost };
    const next = placeAgain(placement, this.tried, this.services.context.random);
    if (next !== undefined) return { target: this.targetOn(upstreamOf(next), false) };
    this.refused.push(placement.release);
    const elsewhere = this.place(call);
    if ('target' in elsewhere) return elsewhere;
    // A service with a single endpoint has nothing else to say than what went wrong with that.
    const alone =
      host.service.releases.reduce((sum, each) => sum + each.cluster.endpoints.endpoints.length, 0) <= 1;
    return alone ? undefined : { reply: noEndpoint(host, placement, failure.reason) };
  }

  private retry(placement: Placement): Step | undefined {
    const { retry } = placement.route;
    if (retry === undefined || this.retries >= retry.retries) return undefined;
    this.endRetry();
    const { load } = this.endpoint as UpstreamEndpoint;
    if (!load.startRetry()) return undefined;
    this.retrying = load;
    this.retries++;
    const { random } = this.services.context;
    // With no other endpoint left, the same one gets another chance.
    const next = placeAgain(placement, this.tried, random) ?? placement.endpoint;
    return {
      target: { ...this.targetOn(upstreamOf(next), false), delayMs: backOffMs(retry, this.retries, random) },
    };
  }

  /** The retry, if this is one, has been answered: the budget has room for another. */
  private endRetry(): void {
    this.retrying?.endRetry();
    this.retrying = undefined;
  }

  /**
   * Refused at once, never queued. Where the load alone decides where the request goes, one other endpoint is
   * asked, which may have room; a session is not sent away from its own for being busy.
   */
  private afterOverload({ reason, limit }: UpstreamFailure): Step {
    const { placement } = this;
    const mayMove =
      placement?.endpointReason === 'load-balancer' && this.tried.length === 1 && limit !== 'requests';
    const next = mayMove ? placeAgain(placement, this.tried, this.services.context.random) : undefined;
    if (next !== undefined) {
      // The one that is full was not sent anything.
      this.endpoint = undefined;
      return { target: this.targetOn(upstreamOf(next), false) };
    }
    return { reply: { code: 'overloaded', detail: `${this.describeEndpoint()}: ${reason}` } };
  }

  private targetOn(endpoint: UpstreamEndpoint, fresh: boolean): AttemptTarget {
    if (this.endpoint !== undefined) this.settleFailed(this.endpoint, fresh);
    this.endpoint = endpoint;
    if (!this.tried.includes(endpoint)) this.tried.push(endpoint);
    return { endpoint, delayMs: 0, fresh };
  }

  /** Another attempt is made: the one before has failed, unless it only found a pooled connection closed. */
  private settleFailed({ traffic }: UpstreamEndpoint, stale: boolean): void {
    const now = performance.now();
    if (!stale) {
      traffic.failed++;
      traffic.latencySumMs += now - this.attemptAt;
    }
    this.attemptAt = now;
  }

  /** The exchange is over, and with it the last attempt. @param now of `performance.now()` */
  settleLast({ status, error, cutOff }: Outcome, now: number): void {
    // Nobody knows what an answer would have been that nobody waited for; and what is over a limit was never sent.
    if (this.endpoint === undefined || cutOff === 'client' || cutOff === 'sidecar') return;
    if (error?.code === 'overloaded') return;
    const { traffic } = this.endpoint;
    if (status >= 500 || cutOff !== '') traffic.failed++;
    else traffic.succeeded++;
    traffic.latencySumMs += now - this.attemptAt;
  }

  private describeEndpoint(): string {
    const { placement, host, endpoint } = this;
    if (placement === undefined || host === undefined) return endpoint?.address ?? '';
    return `${placement.release.name} of ${host.service.label}`;
  }
}

/** To try again would go round once more, and each round would try again. */
function isLoop(response: ResponseMessage): boolean {
  return (
    response.status === ERROR_CATALOGUE['loop-detected'].status &&
    response.header(ROOST_ERROR) === 'loop-detected'
  );
}

const NOTHING_SET = { headerValues: () => [] };

function noEndpoint(host: VirtualHost, { release }: NoEndpoint | Placement, reason = '') {
  const detail = `${release.name} of ${host.service.label}${reason === '' ? '' : ` (${reason})`}`;
  return { code: 'no-endpoint', detail } as const;
}
