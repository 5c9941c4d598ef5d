import type { SocketAddress } from '../../src/model/formats.js';
import type { RoutingTable, VirtualHost } from '../../src/routing/table.js';
import type { Warn } from '../../src/telemetry/logger.js';
import { formatAddress } from '../../src/xds/fields.js';
import { UpstreamEndpoint, type UpstreamSettings, unwatched } from '../cluster/upstream-endpoint.js';
import type { HostDemand } from '../discovery/on-demand.js';
import type { AppRefusals } from '../http/app-refusal.js';
import { LoopMarks } from '../http/loop-marks.js';
import { requestIds } from '../http/request-ids.js';
import { createInboundListener } from '../inbound/inbound-listener.js';
import type { DispatchSettings } from '../intercept/dispatcher.js';
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

/** How long the local app may take to accept a connection. */
const APP_CONNECT_TIMEOUT_MS = 2000;

/** How long a client may be silent that may wait for the server to begin. */
const SNIFF_TIMEOUT_MS = 1000;
/** SMTP, MySQL, Galera, PostgreSQL, Redis, Elasticsearch, memcached: their servers speak first, or their clients gain nothing. */
const OPAQUE_PORTS: ReadonlySet<number> = new Set([25, 587, 3306, 4444, 5432, 6379, 9300, 11211]);

const COOKIE_OF_APP =
  "the service's pods set the cookie that its sessions are to travel in; theirs is left alone, and callers that have " +
  'it keep no session: add "mint: false" to the cookie in affinity.key, or give it another name';

/** What carries requests. */
export interface DataPath {
  readonly outbound: Listener;
  readonly inbound: Listener;
  readonly app: UpstreamEndpoint;
  readonly passthrough: PassthroughEndpoints | undefined;
  readonly mirrors: Mirrors;
  readonly pins: SessionPins;
}

/** Of what a sidecar is told, what carries requests has to know. */
export type DataPathOptions = Pick<SidecarOptions, 'app' | 'limits' | 'passthrough'>;

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
  const app = new UpstreamEndpoint(
    appEndpoint(options.app),
    APP_CONNECT_TIMEOUT_MS,
    { ...settings, connectFailuresToEject: Number.POSITIVE_INFINITY },
    unwatched(),
  );
  const pins = sessionPins(needs);
  return {
    outbound: outboundListener(needs, { pins, traces, passthrough, mirrors }),
    inbound: inboundListener(needs, traces, app),
    app,
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
    dispatch: dispatchSettings(options, nowMs),
    slots: needs.slots.outbound,
    context,
    onTunnelFinished: (tunnel, outcome, startedAt) => recorder.tunnel(tunnel, outcome, startedAt),
    onRefused: (reply, caller) => recorder.refused('outbound', reply, caller),
  });
}

function inboundListener(
  { options, settings, table, slots, recorder, refusals, loopSeed }: DataPathNeeds,
  traces: TraceMemory,
  app: UpstreamEndpoint,
): Listener {
  return createInboundListener({
    services: {
      app,
      refusals,
      // Another seed than outbound's: every request to an app of the same pod passes both.
      loops: new LoopMarks(BigInt.asUintN(64, loopSeed + 1n)),
      newRequestId: requestIds(),
      onArrived: (request) => traces.remember(request, table()?.keySources ?? []),
      onFinished: (exchange) => recorder.inbound(exchange),
    },
    dispatch: dispatchSettings(options, settings.nowMs),
    slots: slots.inbound,
    onRefused: (reply, caller) => recorder.refused('inbound', reply, caller),
  });
}

function dispatchSettings({ limits }: DataPathOptions, nowMs: () => number): DispatchSettings {
  return {
    limits,
    sniffTimeoutMs: SNIFF_TIMEOUT_MS,
    opaquePorts: OPAQUE_PORTS,
    originalDestination: () => undefined,
    nowMs,
  };
}

function appEndpoint({ host, port }: SocketAddress) {
  return { host, port, address: formatAddress(host, port), weight: 1, zone: '', status: 'healthy' } as const;
}
