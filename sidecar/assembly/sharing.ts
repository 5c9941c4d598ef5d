import type { Logger } from '../../src/telemetry/logger.js';
import type { ClusterRegistry } from '../cluster/cluster-registry.js';
import type { UpstreamEndpoint } from '../cluster/upstream-endpoint.js';
import type { SessionTable } from '../session/session-table.js';
import { EndpointDigests } from '../session/sharing/endpoint-digests.js';
import type { FleetPins } from '../session/sharing/fleet-pins.js';
import type { FleetViews } from '../session/sharing/fleet-views.js';
import { PinSharing } from '../session/sharing/pin-sharing.js';
import { SharedAffinities } from '../session/sharing/shared-affinities.js';
import { SharingStream } from '../session/sharing/sharing-stream.js';
import { StoredPins } from '../session/sharing/stored-pins.js';
import type { openSessionStore } from '../session/store/open-session-store.js';
import type { SessionStore } from '../session/store/session-store.js';
import type { Discovery } from './discovery.js';
import type { SidecarOptions } from './sidecar-options.js';

export interface SharingNeeds extends Pick<Discovery, 'configuration' | 'client' | 'controlPlanes' | 'node'> {
  readonly options: Pick<SidecarOptions, 'service' | 'sessionStore'>;
  readonly sessions: SessionTable;
  /** Loaded only where there is a store. */
  readonly openStore: typeof openSessionStore | undefined;
  readonly clusters: ClusterRegistry;
  readonly views: FleetViews<UpstreamEndpoint>;
  nowMs(): number;
  readonly log: Logger;
}

/** Pins of the fleet, as a sidecar that starts waits for them. */
export interface SettlingPins extends FleetPins {
  readonly isSettled: boolean;
  /** The sidecar waits no longer: it goes on from what is on disk. */
  settle(): void;
  /** Called on the coarse clock's tick. */
  tick(): void;
}

/** What shares this sidecar's pins with those that call the same services. */
export interface Sharing {
  readonly sharing: PinSharing;
  /** What requests need of it. */
  readonly fleetPins: SettlingPins;
  /** Undefined: there is none, the control plane relays all pins. */
  readonly store: SessionStore | undefined;
}

export function assembleSharing(needs: SharingNeeds): Sharing {
  const { configuration, client, controlPlanes, node, options, sessions, clusters, views } = needs;
  const { name: service, namespace } = options.service;
  const affinities = new SharedAffinities(() => configuration.table);
  const ofTable = {
    table: sessions,
    affinityOf: (name: string) => affinities.find(name),
    nowMs: () => needs.nowMs(),
  };
  const sharing = new PinSharing({
    ...ofTable,
    sharesAll: options.sessionStore === undefined,
    connect: (handlers) => new SharingStream({ ...handlers, controlPlanes, log: needs.log }),
    caller: { id: (node as { readonly id: string }).id, service, namespace },
    views,
    stored: {
      onWanted: (name, key) => stored?.onWanted(name, key),
      onUnpinned: (name, key) => stored?.onUnpinned(name, key),
    },
  });
  let stored: StoredPins | undefined;
  views.names = new EndpointDigests(affinities, clusters, (service) => sharing.joins(service));
  configuration.onPublished = () => {
    sessions.revision = client.revision ?? client.guard.origin.revision;
    sharing.onTable();
  };
  const { sessionStore } = options;
  if (sessionStore === undefined || needs.openStore === undefined)
    return { sharing, fleetPins: sharing, store: undefined };
  const store = needs.openStore(sessionStore, needs.log, {
    onConflict: (name, session) => {
      const affinity = affinities.find(name);
      if (affinity !== undefined) sessions.merge(session, affinity.ttlMs, needs.nowMs());
    },
    onReplaced: (name, { hash }) => sharing.note(name, hash),
    onGap: () => stored?.writeAgain(),
  });
  const { timeoutMs } = sessionStore;
  stored = new StoredPins({
    ...{ ...ofTable, store, timeoutMs, sharing },
    services: () => affinities.all,
  });
  return { sharing, fleetPins: stored, store };
}
