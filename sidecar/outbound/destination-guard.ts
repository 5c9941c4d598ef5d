import { type LookupAllOptions, type LookupOptions, lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { LocalReply } from '../../src/http/error-catalogue.js';
import type { SocketAddress } from '../../src/model/formats.js';
import { canonicalIp } from '../../src/net/ip-address.js';
import { reservedScope } from '../../src/net/reserved-address.js';
import type { OwnPorts } from './own-ports.js';

/**
 * Where the sidecar does not connect when a client names the destination itself: by CONNECT, or by a target in absolute
 * form. A request that someone else has the app make must not reach, by way of the sidecar, what only this machine may.
 */

type RefusalCode = 'forbidden-destination' | 'loop-detected';

/** Why a destination is refused: the answer to the client. */
export type Refusal = LocalReply & { readonly code: RefusalCode };

/** The error of a connection that its name resolves to nothing but refused addresses; `code` is the answer's. */
class RefusedDestination extends Error {
  readonly code: RefusalCode;

  constructor({ code, detail }: Refusal) {
    super(detail);
    this.code = code;
  }
}

/** @param reason of a connection that was not made. @returns the code of the answer, where the guard refused it */
export function refusalCode(reason: string): RefusalCode | undefined {
  return reason === 'forbidden-destination' || reason === 'loop-detected' ? reason : undefined;
}

export class DestinationGuard {
  /** @param addresses those of this machine, in their one spelling; asked for only where a port is its own */
  constructor(
    private readonly ports: OwnPorts,
    private readonly addresses: () => ReadonlySet<string | undefined> = addressesOfMachine,
  ) {}

  /**
   * Judges a destination whose host is an address; a name is judged by {@link lookupFor}, once it is resolved.
   *
   * @param fromMachine the client is on this machine
   */
  refusal({ host, port }: SocketAddress, fromMachine: boolean): Refusal | undefined {
    return isIP(host) === 0 ? undefined : this.judge(host, port, fromMachine);
  }

  /** Resolves names for connections to a port, and leaves out the addresses that are refused. */
  lookupFor(port: number, fromMachine: boolean): LookupFunction {
    return (hostname: string, options: LookupOptions, callback) => {
      const all: LookupAllOptions = { ...options, all: true };
      lookup(hostname, all, (error, found) => {
        if (error !== null) {
          callback(error, []);
          return;
        }
        const allowed = found.filter(({ address }) => this.judge(address, port, fromMachine) === undefined);
        const [first] = allowed;
        if (first === undefined) callback(this.errorFor(found[0]?.address ?? '', port, fromMachine), []);
        else if (options.all) callback(null, allowed);
        else callback(null, first.address, first.family);
      });
    };
  }

  private errorFor(address: string, port: number, fromMachine: boolean): NodeJS.ErrnoException {
    const refusal = this.judge(address, port, fromMachine);
    return new RefusedDestination(refusal ?? forbidden('the name has no address'));
  }

  private judge(address: string, port: number, fromMachine: boolean): Refusal | undefined {
    const scope = reservedScope(address);
    if (scope === 'link-local')
      return forbidden('link-local addresses and metadata services are not for proxies');
    if (scope === 'loopback' && !fromMachine) return forbidden('loopback is for callers on this machine');
    const listener = this.ports.listenerOn(port);
    if (listener === undefined) return undefined;
    if (scope !== 'loopback' && !this.addresses().has(canonicalIp(address))) return undefined;
    if (listener === 'outbound')
      return { code: 'loop-detected', detail: `port ${port} is this sidecar's own` };
    return forbidden(`port ${port} is this sidecar's own, for ${listener}`);
  }
}

function forbidden(detail: string): Refusal {
  return { code: 'forbidden-destination', detail };
}

function addressesOfMachine(): ReadonlySet<string | undefined> {
  const interfaces = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
  return new Set(interfaces.map(({ address }) => canonicalIp(address)));
}
