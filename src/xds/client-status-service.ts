import {
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Message } from './descriptors.js';
import { message, messages, text } from './fields.js';

/** The client status discovery service (CSDS): served by our control plane of its clients, by a sidecar of itself. */
export const CSDS_SERVICE = 'envoy.service.status.v3.ClientStatusDiscoveryService';

type StatusCall = ServerDuplexStream<Message, object>;

/** What a `ClientStatusRequest` asks for. */
export interface StatusQuery {
  /** Whether a client is meant, by its id: any of the request's matchers takes it, or there are none. */
  isWanted(id: string): boolean;
  readonly withContents: boolean;
}

/** A request asks for something that is not there. */
class UnsupportedMatcherError extends Error {}

/**
 * @param find the `ClientConfig`s that a request asks for
 * @param track told of calls that go on until one side ends them
 */
export function clientStatusMethods(
  find: (query: StatusQuery) => object[],
  track: (call: StatusCall) => void,
): UntypedServiceImplementation {
  const answer = (request: Message) => attempt(() => ({ config: find(readQuery(request)) }));
  return {
    FetchClientStatus: (call: ServerUnaryCall<Message, object>, callback: sendUnaryData<object>) => {
      const answered = answer(call.request);
      if ('code' in answered) callback(answered);
      else callback(null, answered.value);
    },
    StreamClientStatus: (call: StatusCall) => {
      call.on('data', (request: Message) => {
        const answered = answer(request);
        if ('code' in answered) call.emit('error', answered);
        else call.write(answered.value);
      });
      track(call);
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

/** @throws UnsupportedMatcherError */
function readQuery(request: Message): StatusQuery {
  const matchers = messages(request.nodeMatchers).map(({ nodeId, nodeMetadatas }) => {
    if (messages(nodeMetadatas).length > 0)
      throw new UnsupportedMatcherError('node_metadatas is not supported; match by node_id');
    return stringMatcher(message(nodeId) ?? {});
  });
  return {
    isWanted: (id) => matchers.length === 0 || matchers.some((matches) => matches(id)),
    withContents: request.excludeResourceContents !== true,
  };
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

/** A `google.protobuf.Timestamp`. @param ms since the epoch */
export function toTimestamp(ms: number): object {
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 };
}
