import { Client } from '@grpc/grpc-js';
import type { ChannelSecurity } from '../../src/access/channel-security.js';
import type { SocketAddress } from '../../src/model/formats.js';
import { formatAddress, isLoopback } from '../../src/net/ip-address.js';

/** Waits between attempts to reach the control plane, in milliseconds. */
export const CONTROL_PLANE_BACK_OFF_MS = { first: 200, max: 10_000 } as const;

/**
 * Largest message taken. A server whose response is larger (state of the world has clusters in one) is told by the
 * end of the stream, and what there is goes on.
 */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** A gRPC client of the control plane. Two with the same address share one connection, as grpc-js does it. */
export function controlPlaneChannel(
  address: SocketAddress,
  { credentials, interceptors }: Pick<ChannelSecurity, 'credentials' | 'interceptors'>,
  maxMessageBytes = MAX_MESSAGE_BYTES,
): Client {
  return new Client(formatAddress(address.host, address.port), credentials, {
    interceptors,
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.initial_reconnect_backoff_ms': CONTROL_PLANE_BACK_OFF_MS.first,
    'grpc.max_reconnect_backoff_ms': CONTROL_PLANE_BACK_OFF_MS.max,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.enable_channelz': 0,
    // The app's proxy may be this very sidecar.
    'grpc.enable_http_proxy': isLoopback(address.host) ? 0 : 1,
    'grpc.enable_retries': 0,
  });
}
