import { createServer } from 'node:net';
import { listen, type PortSharing } from '../../src/lifecycle/listen.js';
import { OperatorError } from '../../src/lifecycle/operator-error.js';
import { type SocketAddress, splitHostPort } from '../../src/model/formats.js';

/**
 * Several listeners on one port, each with a socket of its own that the kernel gives its part of the connections
 * (`SO_REUSEPORT`, socket(7)). Linux only: elsewhere the newest socket gets all of them, or there is no such thing.
 */

/** @throws OperatorError */
export function assertPortsCanBeShared(): void {
  if (process.platform !== 'linux')
    throw new OperatorError(
      `cannot run several workers: ${process.platform} does not spread connections over them; use --workers 1`,
    );
}

/**
 * Has an address for one listener alone, and lets go of it: another process that shares the port, perhaps another
 * sidecar with workers, would otherwise go unnoticed, and get a part of the connections.
 *
 * @param what for messages: "outbound calls (--outbound)"
 * @returns the same with the host as a number
 * @throws ListenError
 */
export async function tryPort(what: string, { host, port }: SocketAddress): Promise<SocketAddress> {
  const server = createServer();
  const bound = splitHostPort(await listen(server, what, host, port)) as SocketAddress;
  await new Promise((closed) => server.close(closed));
  return { host: bound.host, port };
}

const [MAJOR = 0, MINOR = 0] = process.versions.node.split('.').map(Number);
/** `reusePort` of `server.listen` came with Node 23.1 and 22.12. */
const NODE_SHARES_PORTS = MAJOR > 23 || (MAJOR === 23 && MINOR >= 1) || (MAJOR === 22 && MINOR >= 12);

/**
 * How one more listener shares an address.
 *
 * @param address its host as a number; port 0 only for the first of them
 * @throws ListenError, OperatorError
 */
export async function shareOf(what: string, address: SocketAddress): Promise<PortSharing> {
  if (NODE_SHARES_PORTS) return { reusePort: true };
  const { bindSharedSocket } = await import('./shared-socket.js');
  return { fd: bindSharedSocket(what, address) };
}
