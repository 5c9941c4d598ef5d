import type { Logger } from '../../src/telemetry/logger.js';
import type { SidecarOptions } from '../options.js';
import type { SessionTable } from '../session/session-table.js';
import { PinSharing } from '../session/sharing/pin-sharing.js';
import { SharedAffinities } from '../session/sharing/shared-affinities.js';
import { SharingStream } from '../session/sharing/sharing-stream.js';
import type { Discovery } from './discovery.js';

export interface SharingNeeds extends Pick<Discovery, 'configuration' | 'client' | 'controlPlanes' | 'node'> {
  readonly options: Pick<SidecarOptions, 'service'>;
  readonly sessions: SessionTable;
  nowMs(): number;
  readonly log: Logger;
}

/** Shares this sidecar's pins with those that call the same services. */
export function assembleSharing(needs: SharingNeeds): PinSharing {
  const { configuration, client, controlPlanes, node, options, sessions } = needs;
  const { name: service, namespace } = options.service;
  const affinities = new SharedAffinities(() => configuration.table);
  const sharing = new PinSharing({
    connect: (handlers) => new SharingStream({ ...handlers, controlPlanes, log: needs.log }),
    caller: { id: (node as { readonly id: string }).id, service, namespace },
    table: sessions,
    affinityOf: (name) => affinities.find(name),
    nowMs: () => needs.nowMs(),
  });
  configuration.onPublished = () => {
    sessions.revision = client.revision ?? client.guard.origin.revision;
    sharing.onTable();
  };
  return sharing;
}
