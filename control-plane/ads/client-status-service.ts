import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import type { ClientNode } from '../../src/xds/client-node.js';
import { clientStatusMethods, toTimestamp } from '../../src/xds/client-status-service.js';
import { TYPE_URL } from '../../src/xds/resource-types.js';
import type { OpenCalls } from '../ports/open-calls.js';
import type { AdsServer } from './ads-server.js';
import type { AdsSource } from './ads-source.js';
import type { AdsStream } from './ads-stream.js';
import { type ResourceProgress, type ResourceStatus, resourceStatuses } from './resource-status.js';

/** `envoy.service.status.v3.ConfigStatus` and `envoy.admin.v3.ClientResourceStatus` of each. */
const STATUS = {
  'in-sync': ['SYNCED', 'ACKED'],
  'not-sent': ['NOT_SENT', 'REQUESTED'],
  unanswered: ['STALE', 'REQUESTED'],
  rejected: ['ERROR', 'NACKED'],
  missing: ['SYNCED', 'DOES_NOT_EXIST'],
} as const satisfies Record<ResourceProgress, readonly [configStatus: string, clientStatus: string]>;

/**
 * The client status discovery service (CSDS): for each connected client, every resource that it has asked for, in
 * the version that is served now, with what the client has said to it.
 */
export function clientStatusService(
  ads: AdsServer,
  source: AdsSource,
  open: OpenCalls,
): UntypedServiceImplementation {
  return clientStatusMethods(
    ({ isWanted, withContents }) =>
      ads.streams
        .filter(({ node }) => isWanted(node.id))
        .map((stream) => clientConfig(stream, source, withContents)),
    (call) => open.add(call),
  );
}

function clientConfig(stream: AdsStream, source: AdsSource, withContents: boolean): object {
  return {
    node: nodeOf(stream.node),
    genericXdsConfigs: resourceStatuses(stream, source).map((resource) =>
      genericConfig(resource, stream, withContents),
    ),
  };
}

function genericConfig(
  { kind, name, resource, progress }: ResourceStatus,
  stream: AdsStream,
  withContents: boolean,
): object {
  const [configStatus, clientStatus] = STATUS[progress];
  const { rejection } = stream.typeState(kind).acks;
  return {
    typeUrl: TYPE_URL[kind],
    name,
    configStatus,
    clientStatus,
    ...(resource === undefined ? {} : { versionInfo: resource.version }),
    ...(resource && withContents ? { xdsConfig: { typeUrl: TYPE_URL[kind], value: resource.content } } : {}),
    ...(progress === 'rejected' && rejection
      ? { errorState: { details: rejection.message, lastUpdateAttempt: toTimestamp(rejection.atMs) } }
      : {}),
  };
}

function nodeOf({ id, agent, agentVersion, service, namespace, release }: ClientNode): object {
  const fields = Object.entries({ service, namespace, release }).map(([name, value]) => [
    name,
    { stringValue: value },
  ]);
  return {
    id,
    userAgentName: agent,
    userAgentVersion: agentVersion,
    metadata: { fields: Object.fromEntries(fields) },
  };
}
