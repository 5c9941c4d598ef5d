import type { AddressInfo, Server } from 'node:net';
import { formatAddress } from '../xds/fields.js';
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

/**
 * Starts a server on `host:port`; port 0 takes a free one.
 *
 * @param what for messages: "the outbound listener"
 * @returns the address it listens on, port filled in
 * @throws ListenError
 */
export function listen(
  server: Server,
  what: string,
  host: string,
  port: number,
  backlog = 4096,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const failed = (error: unknown) => reject(new ListenError(what, formatAddress(host, port), error));
    server.once('error', failed);
    server.listen({ host, port, backlog }, () => {
      server.off('error', failed);
      const bound = server.address() as AddressInfo;
      resolve(formatAddress(bound.address, bound.port));
    });
  });
}
