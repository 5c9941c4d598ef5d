import { connect, type LookupFunction, type NetConnectOpts, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { SocketAddress } from '../../src/model/formats.js';
import { formatAddress } from '../../src/net/ip-address.js';
import type { UpstreamTls } from './endpoint-tls.js';

/** An endpoint, as far as connecting to it goes. */
export interface Dialled extends SocketAddress {
  /** Undefined: in plain text. */
  readonly tls?: UpstreamTls | undefined;
  /** What resolves its host, where that is a name; undefined: what resolves all names. */
  readonly lookup?: LookupFunction | undefined;
}

/** A connection that is being made, and the event that says that it is there: with TLS, that the peer has shown who it is. */
export interface Dialling {
  readonly socket: Socket;
  /** The TCP connection that carries it; the same one in plain text. */
  readonly transport: Socket;
  readonly ready: 'connect' | 'secureConnect';
}

/** Kernel and Node buffer this much of a connection before `write` says to wait. */
const SOCKET_BUFFER_BYTES = 65_536;

/**
 * Starts to connect. What is wrong, files that TLS needs included, comes as the socket's 'error'.
 *
 * @param protocols what TLS offers (RFC 7301), in the place of HTTP/1.1
 */
export function dial({ host, port, tls, lookup }: Dialled, protocols?: readonly string[]): Dialling {
  const bytes = { highWaterMark: SOCKET_BUFFER_BYTES };
  const options = { host, port, ...(lookup && { lookup }), noDelay: true, allowHalfOpen: true, ...bytes };
  if (tls === undefined) {
    const socket = connect(options);
    return { socket, transport: socket, ready: 'connect' };
  }
  return dialTls(options, tls, protocols);
}

function dialTls(
  options: NetConnectOpts & SocketAddress,
  tls: UpstreamTls,
  protocols: readonly string[] | undefined,
): Dialling {
  const address = formatAddress(options.host, options.port);
  try {
    const tlsOptions = tls.optionsFor(address);
    const transport = connect(options);
    const offered = protocols && { ALPNProtocols: [...protocols] };
    const socket = connectTls({ ...options, ...tlsOptions, ...offered, socket: transport });
    socket.on('session', (session) => tls.keepSession(address, session));
    return { socket, transport, ready: 'secureConnect' };
  } catch (error) {
    const socket = new Socket();
    process.nextTick(() => socket.destroy(error as Error));
    return { socket, transport: socket, ready: 'secureConnect' };
  }
}
