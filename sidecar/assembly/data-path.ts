import type { SocketAddress } from '../../src/model/formats.js';
import { formatAddress } from '../../src/net/ip-address.js';
import type { RoutingTable, VirtualHost } from '../../src/routing/table.js';
import type { Warn } from '../../src/telemetry/logger.js';
import type { UpstreamSettings } from '../cluster/upstream-endpoint.js';
import type { HostDemand } from '../discovery/on-demand.js';
import type { AppRefusals } from '../http/app-refusal.js';
import { LoopMarks } from '../http/loop-marks.js';
import { requestIds } from '../http/request-ids.js';
import { AppEndpoints } from '../inbound/app-endpoints.js';
import { createInboundListener } from '../inbound/inbound-listener.js';
import type { DispatchSettings } from '../intercept/dispatcher.js';
import { OriginalDestinations } from '../intercept/original-destination.js';
import type { ConcurrencySlots } from '../net/concurrency-slots.js';
import type { Listener } from '../net/listener.js';
import type { ActionCounts } from '../outbound/action-counts.js';
import { DestinationGuard } from '../outbound/destination-guard.js';
import { Mirrors } from '../outbound/mirrors.js';
import { createOutboundListener } from '../outbound/outbound-listener.js';
import type { OwnPorts } from '../outbound/own-ports.js';
import { PassthroughEndpoints } from '../outbound/passthrough.js';
import type { RequestRecorder } from '../records/request-recorder.js';
import { SessionPins } from '../session/session-pins.js';
import type { SessionTable } from '../session/session-table.js';
import type { FleetPins } from '../session/sharing/fleet-pins.js';
import { TraceMemory } from '../session/trace-memory.js';
import type { TraceStore } from '../session/trace-store.js';
import type { SidecarOptions } from './sidecar-options.js';

const COOKIE_OF_APP =
  "the service's pods set the cookie that its sessions are to travel in; theirs is left alone, and callers that have " +
  'it keep no session: add "mint: false" to the cookie in affinity.key, or give it another name';

/** What carries requests. */
export interface DataPath {
  readonly outbound: Listener;
  readonly inbound: Listener;
  readonly apps: AppEndpoints;
  /** The same, spoken to with HTTP/2. */
  readonly appsOverHttp2: AppEndpoints;
  readonly passthrough: PassthroughEndpoints | undefined;
  readonly mirrors: Mirrors;
  readonly pins: SessionPins;
}

/** Of what a sidecar is told, what carries requests has to know. */
export type DataPathOptions = Pick<
  SidecarOptions,
  'app' | 'limits' | 'passthrough' | 'intercept' | 'opaquePorts' | 'sniffTimeoutMs'
>;

/** What carries requests needs of the rest. */
export interface DataPathNeeds {
  readonly options: DataPathOptions;
  readonly settings: UpstreamSettings;
  /** The routing table of this instant; undefined until the first configuration is in force. */
  table(): RoutingTable | undefined;
  /** Something is sent by way of a virtual host. */
  noteUse(host: VirtualHost): void;
  /** Undefined: hosts are not asked for when they are called. */
  readonly onDemand: HostDemand | undefined;
  readonly fleetPins: FleetPins;
  readonly refusals: AppRefusals;
  readonly sessions: SessionTable;
  readonly seenInCookies: SessionTable;
  readonly traces: TraceStore;
  /** For clients' connections. */
  readonly slots: { readonly inbound: ConcurrencySlots; readonly outbound: ConcurrencySlots };
  readonly ownPorts: OwnPorts;
  readonly loopSeed: bigint;
  readonly recorder: RequestRecorder;
  readonly actionCounts: ActionCounts;
  readonly warn: Warn;
}

export function assembleDataPath(needs: DataPathNeeds): DataPath {
  const { options, settings } = needs;
  const traces = new TraceMemory(needs.traces, settings.nowMs);
  const guard = new DestinationGuard(needs.ownPorts);
  const passthrough = options.passthrough ? new PassthroughEndpoints(settings, guard) : undefined;
  const mirrors = new Mirrors(settings.nowMs, Math.random);
  const apps = new AppEndpoints(options.app, settings, needs.ownPorts);
  const appsOverHttp2 = new AppEndpoints(options.app, settings, needs.ownPorts, 'http2');
  const pins = sessionPins(needs);
  return {
    outbound: outboundListener(needs, { pins, traces, passthrough, mirrors }),
    inbound: inboundListener(needs, traces, { apps, appsOverHttp2 }),
    apps,
    appsOverHttp2,
    passthrough,
    mirrors,
    pins,
  };
}

function sessionPins({ sessions, seenInCookies, settings, fleetPins, warn }: DataPathNeeds): SessionPins {
  return new SessionPins({
    table: sessions,
    seen: seenInCookies,
    nowMs: settings.nowMs,
    wallMs: Date.now,
    onShared: (service, key) => fleetPins.note(service, key),
    onCookieOfApp: (service, cookie) => warn({ service, cookie }, COOKIE_OF_APP),
  });
}

interface OutboundParts extends Pick<DataPath, 'passthrough' | 'mirrors' | 'pins'> {
  readonly traces: TraceMemory;
}

function outboundListener(
  needs: DataPathNeeds,
  { pins, traces, passthrough, mirrors }: OutboundParts,
): Listener {
  const { options, recorder, actionCounts } = needs;
  const { nowMs } = needs.settings;
  const context = {
    get nowMs() {
      return nowMs();
    },
    random: Math.random,
    findPin: pins.find.bind(pins),
  };
  return createOutboundListener({
    services: {
      table: needs.table,
      pins,
      context,
      traces,
      passthrough,
      refusals: needs.refusals,
      actionCounts,
      mirrors,
      onDemand: needs.onDemand,
      fleetPins: needs.fleetPins,
      noteUse: needs.noteUse,
      loops: new LoopMarks(needs.loopSeed),
      newRequestId: requestIds(),
      onFinished: (exchange, forwarder) => recorder.outbound(exchange, forwarder),
    },
    dispatch: {
      ...dispatchSettings(options, nowMs),
      protocolAt: (destination) => protocolAt(destination, needs.table()),
      // A sidecar's outbound port on every address is for redirected connections, which end at loopback.
      admits: (client) => !options.intercept || client.isFromMachine,
    },
    slots: needs.slots.outbound,
    context,
    onTunnelFinished: (tunnel, outcome, startedAt) => recorder.tunnel(tunnel, outcome, startedAt),
    onRefused: (reply, caller) => recorder.refused('outbound', reply, caller),
  });
}

function inboundListener(
  { options, settings, table, slots, recorder, refusals, loopSeed }: DataPathNeeds,
  traces: TraceMemory,
  apps: Pick<DataPath, 'apps' | 'appsOverHttp2'>,
): Listener {
  return createInboundListener({
    services: {
      ...apps,
      refusals,
      // Another seed than outbound's: every request to an app of the same pod passes both.
      loops: new LoopMarks(BigInt.asUintN(64, loopSeed + 1n)),
      newRequestId: requestIds(),
      onArrived: (request) => traces.remember(request, table()?.keySources ?? []),
      onFinished: (exchange) => recorder.inbound(exchange),
    },
    dispatch: dispatchSettings(options, settings.nowMs),
    slots: slots.inbound,
    onTunnelFinished: (tunnel, outcome, startedAt) => recorder.inboundTunnel(tunnel, outcome, startedAt),
    onRefused: (reply, caller) => recorder.refused('inbound', reply, caller),
  });
}

function protocolAt(
  { host, port }: SocketAddress,
  table: RoutingTable | undefined,
): 'http' | 'tcp' | undefined {
  const found = table?.find(formatAddress(host, port));
  if (found === undefined) return undefined;
  return found.service.isOpaque ? 'tcp' : 'http';
}

/** @throws OperatorError where connections are redirected, and where they were going cannot be read */
function dispatchSettings(options: DataPathOptions, nowMs: () => number): DispatchSettings {
  const destinations = options.intercept ? OriginalDestinations.open() : undefined;
  return {
    limits: options.limits,
    sniffTimeoutMs: options.sniffTimeoutMs,
    opaquePorts: new Set(options.opaquePorts),
    protocolAt: () => undefined,
    admits: () => true,
    originalDestination: ({ socket }) => destinations?.of(socket),
    nowMs,
  };
}
