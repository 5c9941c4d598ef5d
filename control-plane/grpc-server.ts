import { Server } from '@grpc/grpc-js';
import type { CallGuard } from './access/call-guard.js';
import { interceptUnknownMethods } from './access/unknown-methods.js';

/** Largest message taken: a whole mesh in one `apply`. */
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;

/** A gRPC server on which no call gets past the guard. */
export function newGrpcServer(guard: CallGuard, maxMessageBytes = MAX_MESSAGE_BYTES): Server {
  const server = new Server({
    interceptors: [guard.interceptor],
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': -1,
    'grpc.enable_channelz': 0,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
  });
  interceptUnknownMethods(server);
  return server;
}
