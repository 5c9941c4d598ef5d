import type { SocketAddress } from '../../src/model/formats.js';
import { formatAddress } from '../../src/xds/fields.js';
import type { ActionCounts } from '../admin/action-counts.js';
import type { RequestRecorder } from '../admin/request-recorder.js';
import type { MeshConfiguration } from '../discovery/mesh-configuration.js';
import { createInboundListener } from '../inbound/inbound-listener.js';
import type { SidecarOptions } from '../options.js';
import { Mirrors } from '../outbound/mirrors.js';
import { createOutboundListener } from '../outbound/outbound-listener.js';
import { PassthroughEndpoints } from '../outbound/passthrough.js';
import type { Listener } from '../proxy/listener.js';
import { requestIds } from '../proxy/request-ids.js';
import { SessionPins } from '../session/session-pins.js';
import type { SessionTable } from '../session/session-table.js';
import { TraceMemory } from '../session/trace-memory.js';
import { OwnTraces } from '../session/trace-store.js';
import { UpstreamEndpoint, type UpstreamSettings, unwatched } from '../upstream/upstream-endpoint.js';

/** How long the local app may take to accept a connection. */
const APP_CONNECT_TIMEOUT_MS = 2000;

/** What carries requests. */
export interface DataPath {
  readonly outbound: Listener;
  readonly inbound: Listener;
  readonly app: UpstreamEndpoint;
  readonly passthrough: PassthroughEndpoints | undefined;
  readonly mirrors: Mirrors;
}

/** What carries requests needs of the rest. */
export interface DataPathNeeds {
  readonly options: SidecarOptions;
  readonly settings: UpstreamSettings;
  readonly configuration: MeshConfiguration;
  readonly sessions: SessionTable;
  readonly recorder: RequestRecorder;
  readonly actionCounts: ActionCounts;
}

export function assembleDataPath(needs: DataPathNeeds): DataPath {
  const { options, settings } = needs;
  const traces = new TraceMemory(new OwnTraces(), settings.nowMs);
  const passthrough = options.passthrough ? new PassthroughEndpoints(settings) : undefined;
  const mirrors = new Mirrors(settings.nowMs, Math.random);
  const app = new UpstreamEndpoint(
    appEndpoint(options.app),
    APP_CONNECT_TIMEOUT_MS,
    { ...settings, connectFailuresToEject: Number.POSITIVE_INFINITY },
    unwatched(),
  );
  return {
    outbound: outboundListener(needs, traces, passthrough, mirrors),
    inbound: inboundListener(needs, traces, app),
    app,
    passthrough,
    mirrors,
  };
}

function outboundListener(
  { options, settings, configuration, sessions, recorder, actionCounts }: DataPathNeeds,
  traces: TraceMemory,
  passthrough: PassthroughEndpoints | undefined,
  mirrors: Mirrors,
): Listener {
  const { nowMs } = settings;
  const pins = new SessionPins(sessions, nowMs);
  const context = {
    get nowMs() {
      return nowMs();
    },
    random: Math.random,
    findPin: pins.find.bind(pins),
  };
  return createOutboundListener({
    services: {
      table: () => configuration.table,
      pins,
      context,
      traces,
      passthrough,
      actionCounts,
      mirrors,
      newRequestId: requestIds(),
      onFinished: (exchange, forwarder) => recorder.outbound(exchange, forwarder),
    },
    limits: options.limits,
    context,
    nowMs,
    onRefused: (reply, caller) => recorder.refused('outbound', reply, caller),
  });
}

function inboundListener(
  { options, settings, configuration, recorder }: DataPathNeeds,
  traces: TraceMemory,
  app: UpstreamEndpoint,
): Listener {
  return createInboundListener({
    services: {
      app,
      newRequestId: requestIds(),
      onArrived: (request) => traces.remember(request, configuration.table?.keySources ?? []),
      onFinished: (exchange) => recorder.inbound(exchange),
    },
    limits: options.limits,
    nowMs: settings.nowMs,
    onRefused: (reply, caller) => recorder.refused('inbound', reply, caller),
  });
}

function appEndpoint({ host, port }: SocketAddress) {
  return { host, port, address: formatAddress(host, port), weight: 1, zone: '', status: 'healthy' } as const;
}
