import { Server } from '@grpc/grpc-js';
import type { CallGuard } from '../access/call-guard.js';
import { interceptUnknownMethods } from '../access/unknown-methods.js';

/** Largest message taken: a whole mesh in one `apply`. */
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;

/**
 * Calls at a time on one connection; a client that begins more waits. A sidecar has two, a proxy in front of many
 * clients makes another connection.
 */
const MAX_STREAMS_PER_CONNECTION = 256;

/** A gRPC server on which no call gets past the guard. */
export function newGrpcServer(guard: CallGuard, maxMessageBytes = MAX_MESSAGE_BYTES): Server {
  const server = new Server({
    interceptors: [guard.interceptor],
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': MAX_STREAMS_PER_CONNECTION,
    'grpc.enable_channelz': 0,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
  });
  interceptUnknownMethods(server);
  return server;
}
