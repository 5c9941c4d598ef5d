import {
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Message } from '../../src/xds/descriptors.js';
import { message, messages, text } from '../../src/xds/fields.js';
import { TYPE_URL } from '../../src/xds/resource-types.js';
import type { OpenCalls } from '../open-calls.js';
import type { AdsServer } from './ads-server.js';
import type { AdsSource, AdsStream } from './ads-stream.js';
import type { ClientNode } from './client-node.js';
import { type ResourceProgress, type ResourceStatus, resourceStatuses } from './resource-status.js';

export const CSDS_SERVICE = 'envoy.service.status.v3.ClientStatusDiscoveryService';

/** `envoy.service.status.v3.ConfigStatus` and `envoy.admin.v3.ClientResourceStatus` of each. */
const STATUS = {
  'in-sync': ['SYNCED', 'ACKED'],
  'not-sent': ['NOT_SENT', 'REQUESTED'],
  unanswered: ['STALE', 'REQUESTED'],
  rejected: ['ERROR', 'NACKED'],
  missing: ['SYNCED', 'DOES_NOT_EXIST'],
} as const satisfies Record<ResourceProgress, readonly [configStatus: string, clientStatus: string]>;

/** A request asks for something that is not there. */
class UnsupportedMatcherError extends Error {}

/**
 * The client status discovery service (CSDS): for each connected client, every resource that it has asked for, in
 * the version that is served now, with what the client has said to it.
 */
export function clientStatusService(
  ads: AdsServer,
  source: AdsSource,
  open: OpenCalls,
): UntypedServiceImplementation {
  const answer = (request: Message): object => {
    const isWanted = nodeMatcher(request);
    const withContents = request.excludeResourceContents !== true;
    const wanted = ads.streams.filter(({ node }) => isWanted(node.id));
    return { config: wanted.map((stream) => clientConfig(stream, source, withContents)) };
  };
  return {
    FetchClientStatus: (call: ServerUnaryCall<Message, object>, callback: sendUnaryData<object>) => {
      const answered = attempt(() => answer(call.request));
      if ('code' in answered) callback(answered);
      else callback(null, answered.value);
    },
    StreamClientStatus: (call: ServerDuplexStream<Message, object>) => {
      call.on('data', (request: Message) => {
        const answered = attempt(() => answer(request));
        if ('code' in answered) call.emit('error', answered);
        else call.write(answered.value);
      });
      open.add(call);
    },
  };
}

function attempt<T>(
  work: () => T,
): { readonly value: T } | { readonly code: status; readonly details: string } {
  try {
    return { value: work() };
  } catch (error) {
    if (!(error instanceof UnsupportedMatcherError)) throw error;
    return { code: status.INVALID_ARGUMENT, details: error.message };
  }
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
      ? { errorState: { details: rejection.message, lastUpdateAttempt: timestamp(rejection.atMs) } }
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

/** Clients by id: those that any of the matchers takes; without matchers, every one. @throws UnsupportedMatcherError */
function nodeMatcher(request: Message): (id: string) => boolean {
  const matchers = messages(request.nodeMatchers).map(({ nodeId, nodeMetadatas }) => {
    if (messages(nodeMetadatas).length > 0)
      throw new UnsupportedMatcherError('node_metadatas is not supported; match by node_id');
    return stringMatcher(message(nodeId) ?? {});
  });
  return (id) => matchers.length === 0 || matchers.some((matches) => matches(id));
}

function stringMatcher(matcher: Message): (value: string) => boolean {
  const fold = (value: string) => (matcher.ignoreCase === true ? value.toLowerCase() : value);
  const of = (field: string) => fold(text(matcher[field]));
  if (of('exact') !== '') return (value) => fold(value) === of('exact');
  if (of('prefix') !== '') return (value) => fold(value).startsWith(of('prefix'));
  if (of('suffix') !== '') return (value) => fold(value).endsWith(of('suffix'));
  if (of('contains') !== '') return (value) => fold(value).includes(of('contains'));
  throw new UnsupportedMatcherError('node_id must be matched by exact, prefix, suffix or contains');
}

function timestamp(ms: number): object {
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 };
}
