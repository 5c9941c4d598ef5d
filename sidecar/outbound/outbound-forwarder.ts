import { ERROR_CATALOGUE } from '../../src/http/error-catalogue.js';
import { type Field, NO_FIELDS } from '../../src/http/field-line.js';
import { headerName } from '../../src/http/header-name.js';
import { formatAddress } from '../../src/net/ip-address.js';
import { changesWith, type FieldChanges, type Mirror } from '../../src/routing/actions.js';
import {
  type DecisionContext,
  findRoute,
  type NoEndpoint,
  type Placement,
  place,
  placeAgain,
} from '../../src/routing/decide.js';
import type { Release } from '../../src/routing/release.js';
import type { RequestView } from '../../src/routing/request-view.js';
import type { Route, RoutingTable, VirtualHost } from '../../src/routing/table.js';
import { upstreamOf } from '../cluster/cluster-view.js';
import type { HostDemand } from '../discovery/on-demand.js';
import type { Call } from '../exchange/forwarder.js';
import { type Forwarder, NO_TIMEOUTS, type Step } from '../exchange/forwarder.js';
import { APP_REFUSES, type AppRefusals } from '../http/app-refusal.js';
import { grpcStatusIn } from '../http/grpc-status.js';
import type { LoopMarks } from '../http/loop-marks.js';
import type { RequestEdits, ResponseMessage } from '../http/message.js';
import { ERROR_OF_FAILURE, type UpstreamFailure } from '../http/upstream-failure.js';
import type { SessionPins } from '../session/session-pins.js';
import type { FleetPins, PinWait } from '../session/sharing/fleet-pins.js';
import { TracedRequest, type TraceMemory } from '../session/trace-memory.js';
import type { TraceEntry } from '../session/trace-store.js';
import type { ActionCounts } from './action-counts.js';
import { Attempts } from './attempts.js';
import { grpcTimeoutLeft, withCallersTimeout } from './callers-timeout.js';
import { refusalCode } from './destination-guard.js';
import { HostLookup } from './host-lookup.js';
import type { Mirrors } from './mirrors.js';
import { onwardBaggage } from './onward-baggage.js';
import type { Passthrough } from './passthrough.js';
import { backOffMs, retriesFailure, retriesGrpcStatus, retriesStatus } from './retry.js';
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
  readonly passthrough: Passthrough | undefined;
  readonly loops: LoopMarks;
  newRequestId(): string;
  /** An exchange is over. */
  onFinished(call: Call, forwarder: OutboundForwarder): void;
}

const REFUSES = headerName(APP_REFUSES);
const ROOST_ERROR = headerName('x-roost-error');

/** A call whose host and route are known. */
interface Routed {
  readonly host: VirtualHost;
  readonly route: Route;
}

/** A call that the decision has sent somewhere. */
interface Placed extends Routed {
  readonly placement: Placement;
}

/** How far the decision about a call has come: to its host, its route, its endpoint; or nowhere, outside the mesh too. */
type Progress =
  | { readonly host?: undefined; readonly route?: undefined; readonly placement?: undefined }
  | { readonly host: VirtualHost; readonly route?: undefined; readonly placement?: undefined }
  | (Routed & { readonly placement?: undefined })
  | Placed;

/** Sends one request of the local app to the release and endpoint that the routing decision names. */
export class OutboundForwarder implements Forwarder {
  progress: Progress = {};
  timeouts = NO_TIMEOUTS;
  readonly attempts = new Attempts();
  private via = '';
  private trace: TraceEntry | undefined;
  private lookup: HostLookup | undefined;
  /** The wait for pins that others may have; one for each request. */
  private pinWait: PinWait | undefined;
  /** Releases none of whose endpoints took a connection for this request. */
  private readonly refused: Release[] = [];

  constructor(private readonly services: OutboundServices) {}

  begin(call: Call): Step {
    this.attempts.begin(call.startedAt);
    const table = this.services.table();
    if (table === undefined)
      return { reply: { code: 'not-ready', detail: 'the control plane has not sent any' } };
    const { request, destination } = call.downstream;
    const via = this.services.loops.pass(request);
    if (typeof via !== 'string') return { reply: via };
    this.via = via;
    const host =
      table.find(request.authority) ??
      (destination && table.find(formatAddress(destination.host, destination.port)));
    return host === undefined ? this.lookUp(call) : this.enter(call, host);
  }

  private enter(call: Call, host: VirtualHost): Step {
    const { services } = this;
    const { request } = call.downstream;
    if (services.onDemand !== undefined) services.noteUse(host);
    const route = findRoute(host, request, services.context.random);
    if (route === undefined) {
      this.progress = { host };
      const detail = `${request.method} ${request.path} on ${host.service.label}`;
      return { reply: { code: 'no-route', detail } };
    }
    const routed = { host, route };
    this.progress = routed;
    this.timeouts = withCallersTimeout(route.timeouts, request);
    if (route.actions === undefined) return this.place(call, routed);
    const acted = { host, route, actions: route.actions, request };
    return actBeforePlacing(acted, services, () => this.place(call, routed, () => this.copyTo(call, acted)));
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
    return { target: this.attempts.to(passthrough.get(destination, isFromMachine)) };
  }

  private copyTo(call: Call, acted: ActedOn): void {
    const editsFor = ({ release, marksHost }: Mirror) => {
      const edits = this.requestEdits(call);
      const baggage = onwardBaggage(acted.request, release, this.trace);
      const changes = marksHost ? withShadowHost(edits.changes, acted.request.authority) : edits.changes;
      return { ...edits, baggage, changes, offersNothing: true };
    };
    mirrorWhenWhole(call, acted, this.services, editsFor);
  }

  get responseChanges(): FieldChanges | undefined {
    const { route, placement } = this.progress;
    return changesWith(route?.actions, placement?.release)?.response;
  }

  afterFailure(call: Call, failure: UpstreamFailure): Step {
    if (failure.kind === 'overloaded') return this.afterOverload(failure);
    const { progress, attempts } = this;
    const { endpoint } = attempts;
    const retry = progress.route?.retry;
    if (endpoint !== undefined && call.canReplay && retriesFailure(retry, failure.kind, call.method)) {
      if (failure.kind === 'stale') return { target: attempts.to(endpoint, { fresh: true }) };
      const step = progress.placement && this.tryElsewhere(call, progress, failure);
      if (step !== undefined) return step;
    }
    const code = refusalCode(failure.reason) ?? ERROR_OF_FAILURE[failure.kind];
    return { reply: { code, detail: `${this.describeEndpoint()}: ${failure.reason}` } };
  }

  private tryElsewhere(call: Call, placed: Placed, failure: UpstreamFailure): Step | undefined {
    return failure.kind === 'connect' ? this.afterRefusal(call, placed, failure) : this.retry(placed);
  }

  afterResponse(call: Call, response: ResponseMessage): Step | undefined {
    const { progress } = this;
    const { endpoint } = this.attempts;
    if (progress.placement === undefined) return undefined;
    if (this.appRefuses(call, response)) {
      endpoint?.onAppRefused();
      return this.afterFailure(call, { kind: 'connect', reason: 'the app behind its sidecar refuses' });
    }
    if (endpoint?.appRefuses) endpoint.onAppAnswered();
    if (!call.canReplay || isLoop(response)) return undefined;
    return this.retriesResponse(call, progress, response) ? this.retry(progress) : undefined;
  }

  /** A call of gRPC that fails without a message says so in the head of its response. */
  private retriesResponse(call: Call, { route }: Routed, response: ResponseMessage): boolean {
    if (retriesStatus(route.retry, response.status, call.method)) return true;
    const status = call.downstream.request.isGrpc ? grpcStatusIn(response) : undefined;
    return status !== undefined && retriesGrpcStatus(route.retry, status, call.method);
  }

  /** The endpoint is a sidecar whose app took no connection: as if none had been made, whatever the method. */
  private appRefuses(call: Call, response: ResponseMessage): boolean {
    // A 502, or of gRPC a 200 that ends with its head: the MAC alone makes it true.
    const said = response.header(REFUSES);
    if (said === undefined) return false;
    return this.services.refusals.isTrue(said, call.upstreamAddress, call.downstream.request.id);
  }

  requestEdits(call: Call): RequestEdits {
    const { request } = call.downstream;
    const { route, placement } = this.progress;
    const edits: RequestEdits = {
      requestId: this.services.newRequestId,
      via: this.via,
      baggage: onwardBaggage(request, placement?.release, this.trace),
      changes: changesWith(route?.actions, placement?.release)?.request,
    };
    if (!request.isGrpc) return edits;
    return { ...edits, grpcTimeout: grpcTimeoutLeft(this.timeouts, performance.now() - call.startedAt) };
  }

  addedFields({ downstream }: Call, response: ResponseMessage): readonly Field[] {
    this.attempts.endRetry();
    const { placement } = this.progress;
    const { endpoint } = this.attempts;
    if (placement === undefined || endpoint === undefined) return NO_FIELDS;
    const { request } = downstream;
    // What the route takes away, the upstream does not set.
    const set = this.responseChanges?.dropped.has('set-cookie') ? NOTHING_SET : response;
    const pinned = this.services.pins.keep(placement, endpoint, set, request.sourceIp);
    const cookie: Field | undefined = pinned === undefined ? undefined : ['set-cookie', pinned];
    const { stateful } = placement.route;
    if (stateful === undefined) return cookie === undefined ? NO_FIELDS : [cookie];
    return [stateful.fieldFor(request, endpoint.address), cookie].filter((field) => field !== undefined);
  }

  finished(call: Call): void {
    this.lookup?.end();
    this.pinWait?.cancel();
    this.attempts.endRetry();
    this.services.onFinished(call, this);
  }

  /** The request, with what its trace arrived with where the app left that out (S8). */
  private sessionView(call: Call): RequestView {
    const { request } = call.downstream;
    this.trace ??= this.services.traces.find(request);
    return this.trace === undefined ? request : new TracedRequest(request, this.trace);
  }

  /** @param onPlaced called once it is known where the request goes */
  private place(call: Call, routed: Routed, onPlaced?: () => void): Step {
    const { host, route } = routed;
    const placed = place(host, route, this.sessionView(call), this.services.context, this.refused);
    if (placed.endpoint === undefined) return { reply: noEndpoint(host, placed) };
    const wait = this.awaitPin(call, placed);
    if (wait !== undefined)
      return { waitMs: wait.waitMs, afterwards: () => this.place(call, routed, onPlaced) };
    this.progress = { host, route, placement: placed };
    onPlaced?.();
    return { target: this.attempts.to(upstreamOf(placed.endpoint)) };
  }

  /** S6: a sidecar that has not been told of the service's pins waits for them, once and not for long. */
  private awaitPin(call: Call, { session, pin, route: { affinity } }: Placement): PinWait | undefined {
    if (pin !== undefined || session === undefined || session.cookie !== undefined) return undefined;
    if (!affinity?.sharesPins || this.pinWait !== undefined) return undefined;
    this.pinWait = this.services.fleetPins.await(affinity.service, session.pinHash ^ affinity.scope, () =>
      call.wake(),
    );
    return this.pinWait;
  }

  /**
   * Nothing of the request has left yet, so every other endpoint of the release may be asked, and when all have
   * refused, the release counts as one without usable endpoints.
   */
  private afterRefusal(call: Call, placed: Placed, failure: UpstreamFailure): Step | undefined {
    const { host, placement } = placed;
    const next = placeAgain(placement, this.attempts.tried, this.services.context.random);
    if (next !== undefined) return { target: this.attempts.to(upstreamOf(next)) };
    this.refused.push(placement.release);
    const elsewhere = this.place(call, placed);
    if ('target' in elsewhere) return elsewhere;
    // A service with a single endpoint has nothing else to say than what went wrong with that.
    const alone =
      host.service.releases.reduce((sum, each) => sum + each.cluster.endpoints.endpoints.length, 0) <= 1;
    return alone ? undefined : { reply: noEndpoint(host, placement, failure.reason) };
  }

  private retry({ route: { retry }, placement }: Placed): Step | undefined {
    const { attempts } = this;
    if (retry === undefined || !attempts.takeRetry(retry)) return undefined;
    const { random } = this.services.context;
    // With no other endpoint left, the same one gets another chance.
    const next = placeAgain(placement, attempts.tried, random) ?? placement.endpoint;
    return { target: attempts.to(upstreamOf(next), { delayMs: backOffMs(retry, attempts.retries, random) }) };
  }

  /**
   * Refused at once, never queued. Where the load alone decides where the request goes, one other endpoint is
   * asked, which may have room; a session is not sent away from its own for being busy.
   */
  private afterOverload({ reason, limit }: UpstreamFailure): Step {
    const { attempts } = this;
    const { placement } = this.progress;
    const mayMove =
      placement?.endpointReason === 'load-balancer' && attempts.tried.length === 1 && limit !== 'requests';
    const next = mayMove ? placeAgain(placement, attempts.tried, this.services.context.random) : undefined;
    if (next !== undefined) {
      attempts.notSent();
      return { target: attempts.to(upstreamOf(next)) };
    }
    return { reply: { code: 'overloaded', detail: `${this.describeEndpoint()}: ${reason}` } };
  }

  private describeEndpoint(): string {
    const { host, placement } = this.progress;
    if (placement === undefined) return this.attempts.endpoint?.address ?? '';
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
