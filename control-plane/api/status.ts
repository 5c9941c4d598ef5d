import type { ClientStatus, StatusResponse } from '../../src/api/config-service.js';
import { VERSION } from '../../src/version.js';
import { PUSH_ORDER } from '../../src/xds/resource-types.js';
import type { AdsServer } from '../ads/ads-server.js';
import type { AdsStream } from '../ads/ads-stream.js';
import type { LoadStore } from '../load/load-store.js';
import type { FileSource } from '../source/file-source.js';
import type { ConfigStore } from '../store/config-store.js';
import { rejectionsOf } from './await-revision.js';
import { releaseLoads } from './release-loads.js';

/** Everything that `roost status` shows. */
export function statusOf(parts: {
  readonly store: ConfigStore;
  readonly ads: AdsServer;
  readonly files: FileSource | undefined;
  readonly load: LoadStore;
  readonly storeName: string;
}): StatusResponse {
  const { revision, services } = parts.store.current;
  const clients = parts.ads.streams.map((stream) => clientStatus(stream, revision));
  return {
    revision,
    clients: clients.sort((a, b) => (a.id < b.id ? -1 : 1)),
    fileProblems: parts.files?.problems ?? [],
    services: services.size,
    version: VERSION,
    store: parts.storeName,
    load: releaseLoads(services, parts.load),
  };
}

function clientStatus(stream: AdsStream, revision: number): ClientStatus {
  const rejections = rejectionsOf(stream);
  return {
    ...stream.node,
    protocol: stream.protocol,
    connectedAtMs: stream.connectedAtMs,
    inSync: stream.settled(revision) && rejections.length === 0,
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
