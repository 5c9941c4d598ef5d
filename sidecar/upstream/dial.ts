import { connect, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { SocketAddress } from '../../src/model/formats.js';
import { formatAddress } from '../../src/xds/fields.js';
import type { UpstreamTls } from './upstream-tls.js';

/** An endpoint, as far as connecting to it goes. */
export interface Dialled extends SocketAddress {
  /** Undefined: in plain text. */
  readonly tls?: UpstreamTls | undefined;
}

/** A connection that is being made, and the event that says that it is there: with TLS, that the peer has shown who it is. */
export interface Dialling {
  readonly socket: Socket;
  readonly ready: 'connect' | 'secureConnect';
}

/** Kernel and Node buffer this much of a connection before `write` says to wait. */
const SOCKET_BUFFER_BYTES = 65_536;

/** Starts to connect. What is wrong, files that TLS needs included, comes as the socket's 'error'. */
export function dial({ host, port, tls }: Dialled): Dialling {
  const options = { host, port, noDelay: true, allowHalfOpen: true, highWaterMark: SOCKET_BUFFER_BYTES };
  if (tls === undefined) return { socket: connect(options), ready: 'connect' };
  return { socket: dialTls(options, tls), ready: 'secureConnect' };
}

function dialTls(options: SocketAddress & object, tls: UpstreamTls): Socket {
  const address = formatAddress(options.host, options.port);
  try {
    const socket = connectTls({ ...options, ...tls.optionsFor(address) });
    socket.on('session', (session) => tls.keepSession(address, session));
    return socket;
  } catch (error) {
    const socket = new Socket();
    process.nextTick(() => socket.destroy(error as Error));
    return socket;
  }
}
