import type { AddressInfo, Server } from 'node:net';
import { formatAddress } from '../net/ip-address.js';
import { OperatorError } from './operator-error.js';

/** A port could not be had; says which, for what, and why. */
export class ListenError extends OperatorError {
  constructor(what: string, address: string, cause: unknown) {
    const { code, message } = cause as NodeJS.ErrnoException;
    super(`cannot listen for ${what} on ${address}: ${LISTEN_REASONS[code ?? ''] ?? message}`, { cause });
    this.name = 'ListenError';
  }
}

const LISTEN_REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use by another process',
  EACCES: 'this user may not use the port; ports below 1024 need privileges',
  EADDRNOTAVAIL: 'this machine does not have that address',
};

/** Connections that the kernel keeps until they are taken. */
const BACKLOG = 4096;

/** How a port is shared with other sockets of this process: by one of its own, or one that has been made already. */
export type PortSharing = { readonly reusePort: true } | { readonly fd: number };

/**
 * Starts a server on `host:port`; port 0 takes a free one. `::` is every address of both families; on a machine without
 * IPv6, every address that there is.
 *
 * @param what for messages: "the outbound listener"
 * @param sharing undefined: the port is to be this server's alone
 * @returns the address it listens on, port filled in
 * @throws ListenError
 */
export async function listen(
  server: Server,
  what: string,
  host: string,
  port: number,
  sharing?: PortSharing,
): Promise<string> {
  try {
    return await listenOn(server, what, host, port, sharing);
  } catch (error) {
    const { code } = (error as ListenError).cause as NodeJS.ErrnoException;
    if (host !== '::' || !WITHOUT_IPV6.includes(code ?? '')) throw error;
    return listenOn(server, what, '0.0.0.0', port, sharing);
  }
}

/** What the kernel says to an address of IPv6 where it has none, or is told to have none. */
const WITHOUT_IPV6 = ['EAFNOSUPPORT', 'EADDRNOTAVAIL'];

function listenOn(
  server: Server,
  what: string,
  host: string,
  port: number,
  sharing: PortSharing | undefined,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const failed = (error: unknown) => reject(new ListenError(what, formatAddress(host, port), error));
    server.once('error', failed);
    const where = sharing !== undefined && 'fd' in sharing ? {} : { host, port };
    server.listen({ ...where, ...sharing, backlog: BACKLOG }, () => {
      server.off('error', failed);
      const bound = server.address() as AddressInfo;
      resolve(formatAddress(bound.address, bound.port));
    });
  });
}
