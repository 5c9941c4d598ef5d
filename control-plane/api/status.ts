import { ALL_NAMESPACES } from '../../src/access/role.js';
import type { ClientStatus, DriftMessage, StatusResponse } from '../../src/api/config-service.js';
import { namespaceOfKey } from '../../src/model/mesh-service.js';
import { VERSION } from '../../src/version.js';
import { PUSH_ORDER } from '../../src/xds/resource-types.js';
import type { Visibility } from '../access/caller.js';
import type { AdsServer } from '../ads/ads-server.js';
import type { AdsSource } from '../ads/ads-source.js';
import type { AdsStream } from '../ads/ads-stream.js';
import { rejectionsOf, resourceStatuses } from '../ads/resource-status.js';
import { nodeKey } from '../load/load-service.js';
import type { LoadStore } from '../load/load-store.js';
import type { PinCounts } from '../sessions/pin-counts.js';
import type { SessionHub } from '../sessions/session-hub.js';
import type { ConfigSource } from '../source/config-source.js';
import type { ConfigStore } from '../store/config-store.js';
import { releaseLoads } from './release-loads.js';
import { unapprovedClaims } from './unapproved-claims.js';

export interface StatusParts {
  readonly store: ConfigStore;
  readonly ads: AdsServer;
  readonly source: AdsSource;
  readonly sources: ConfigSource;
  readonly load: LoadStore;
  readonly pins: PinCounts;
  readonly sessions: SessionHub;
  /** Claims that no admin has approved count only where callers are asked who they are. */
  readonly asksForCredentials: boolean;
  /** Of this control plane. */
  readonly replica: string;
}

/** Everything that `roost status` shows, of the namespaces that the caller may see; of files to who may see all. */
export async function statusOf(parts: StatusParts, visible: Visibility): Promise<StatusResponse> {
  const { revision } = parts.store.current;
  const services = new Map(
    [...parts.store.current.services].filter(([, { service }]) => visible(service.namespace)),
  );
  const sharing = parts.sessions.memberIds;
  const clients = parts.ads.streams
    .filter(({ node }) => visible(node.namespace))
    .map((stream) => clientStatus(stream, revision, sharing, parts));
  return {
    revision,
    clients: clients.sort((a, b) => (a.id < b.id ? -1 : 1)),
    fileProblems: visible(ALL_NAMESPACES) ? parts.sources.problems : [],
    filesWaiting: visible(ALL_NAMESPACES) ? parts.sources.waiting : [],
    unserved: [...parts.store.current.unserved]
      .filter(([key]) => visible(namespaceOfKey(key)))
      .map(([key, { reason }]) => `${key}: ${reason}`.slice(0, MAX_REASON)),
    services: services.size,
    version: VERSION,
    store: parts.store.name,
    storeProblem: parts.store.problem ?? '',
    replica: parts.replica,
    others: parts.store.presence.others.map(({ name, version, revision, clients, settled }) => ({
      name,
      version,
      revision,
      clients,
      settled,
    })),
    warnings:
      parts.asksForCredentials && visible(ALL_NAMESPACES) ? unapprovedClaims(parts.store.current) : [],
    load: releaseLoads(services, parts.load, await parts.pins.of(services)),
  };
}

function clientStatus(
  stream: AdsStream,
  revision: number,
  sharing: ReadonlySet<string>,
  { source, load, sessions }: StatusParts,
): ClientStatus {
  const rejections = rejectionsOf(stream);
  const inSync = stream.settled(revision) && rejections.length === 0;
  return {
    ...stream.node,
    protocol: stream.protocol,
    notSharingSinceMs: sharing.has(stream.node.id) ? 0 : notSharingSince(stream, sessions),
    connectedAtMs: stream.connectedAtMs,
    inSync,
    drift: [...(inSync ? [] : driftOf(stream, source)), ...waitingOf(stream, load)].slice(0, MAX_DRIFT),
    types: PUSH_ORDER.map((type) => {
      const { subscription, acks } = stream.typeState(type);
      return {
        type,
        wildcard: subscription.wildcard,
        names: subscription.explicitNames.size,
        unanswered: acks.unanswered,
        rejection: rejections.find((rejection) => rejection.type === type) ?? null,
      };
    }),
  };
}

/** Longest reason shown for a service that is not served. */
const MAX_REASON = 1000;

/** A sidecar that has just come opens its stream for pins at the same time. */
const SHARES_WITHIN_MS = 5000;

function notSharingSince({ node, connectedAtMs }: AdsStream, sessions: SessionHub): number {
  if (node.agent !== 'roost') return 0;
  const sinceMs = Math.max(connectedAtMs, sessions.leftAtMs(node.id) ?? 0);
  return Date.now() - sinceMs < SHARES_WITHIN_MS ? 0 : sinceMs;
}

/** Most resources named for one client. */
const MAX_DRIFT = 20;

/** What the client runs in another version than the one that is served, as far as it has said. */
function driftOf(stream: AdsStream, source: AdsSource): DriftMessage[] {
  return resourceStatuses(stream, source)
    .filter(({ progress }) => progress !== 'in-sync' && progress !== 'missing')
    .map(({ kind, name, progress }) => ({ type: kind, name, state: progress }));
}

/** What it has accepted and does not run yet, as it says itself. */
function waitingOf({ node }: AdsStream, load: LoadStore): DriftMessage[] {
  return load.waitingAt(nodeKey(node)).map((name) => ({ type: 'route', name, state: 'waiting' }));
}
