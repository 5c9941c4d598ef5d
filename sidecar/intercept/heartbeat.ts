import { createSocket, type Socket } from 'node:dgram';

/** The rules of `roost redirect --when-down bypass` take a sidecar for down after three of these without a sign. */
const INTERVAL_MS = 1000;

const LOOPBACK = [
  { type: 'udp4', host: '127.0.0.1' },
  { type: 'udp6', host: '::1' },
] as const;

/**
 * Sends a datagram to a port of this machine every second. No program reads it: the kernel's redirect rules see that
 * the sidecar's user has sent it.
 */
export class Heartbeat {
  private readonly sockets: readonly { readonly socket: Socket; readonly host: string }[];
  private readonly timer: NodeJS.Timeout;

  /** @param port the outbound one */
  constructor(private readonly port: number) {
    this.sockets = LOOPBACK.map(({ type, host }) => ({ socket: createSocket(type).unref(), host }));
    // A machine without IPv6 has no listener that waits for a sign on it.
    for (const { socket } of this.sockets) socket.on('error', () => {});
    this.beat();
    this.timer = setInterval(() => this.beat(), INTERVAL_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    for (const { socket } of this.sockets) socket.close();
  }

  private beat(): void {
    for (const { socket, host } of this.sockets) socket.send('', this.port, host, () => {});
  }
}
