import { createRequire } from 'node:module';
import { isIPv4, type Socket } from 'node:net';
import { OperatorError } from '../../src/lifecycle/operator-error.js';
import type { SocketAddress } from '../../src/model/formats.js';
import { canonicalIp, peerIp } from '../../src/net/ip-address.js';

/**
 * Where a redirected connection was going. The kernel keeps it with the connection's address translation; only a
 * socket option tells it, which Node has no way to ask for: by the C library, through koffi.
 */

/** Numbers of Linux: `linux/netfilter_ipv4.h`, `linux/netfilter_ipv6/ip6_tables.h`, ip(7), ipv6(7). */
const SOL_IP = 0;
const SOL_IPV6 = 41;
const ORIGINAL_DST = 80;
const ADDRESS_BYTES = 28;

interface OptionCall {
  getsockopt(fd: number, level: number, option: number, value: Buffer, length: Buffer): number;
}

interface Koffi {
  load(library: null): { func(prototype: string): (...args: never[]) => unknown };
}

/** Asks the kernel, for one connection after the other. */
export class OriginalDestinations {
  private readonly address = Buffer.alloc(ADDRESS_BYTES);
  private readonly length = Buffer.alloc(4);

  private constructor(private readonly calls: OptionCall) {}

  /** @throws OperatorError where the original destination cannot be read */
  static open(platform: string = process.platform, load: () => OptionCall = loadCalls): OriginalDestinations {
    if (platform !== 'linux')
      throw new OperatorError(`--intercept needs Linux; this system is "${platform}"`);
    try {
      return new OriginalDestinations(load());
    } catch (cause) {
      throw new OperatorError(
        '--intercept reads where a connection was going through the package koffi, which cannot be loaded here; ' +
          'install it (npm install koffi), or run without --intercept',
        { cause },
      );
    }
  }

  /** @returns undefined where the connection was not redirected, or is not there any more */
  of(socket: Socket): SocketAddress | undefined {
    const fd = descriptorOf(socket);
    if (fd === undefined) return undefined;
    const local = peerIp({ remoteAddress: socket.localAddress });
    const found = isIPv4(local) ? this.ask(fd, SOL_IP) : this.ask(fd, SOL_IPV6);
    if (found === undefined) return undefined;
    const isOwn = found.port === socket.localPort && found.host === local;
    return isOwn ? undefined : found;
  }

  private ask(fd: number, level: number): SocketAddress | undefined {
    this.length.writeUInt32LE(ADDRESS_BYTES);
    if (this.calls.getsockopt(fd, level, ORIGINAL_DST, this.address, this.length) !== 0) return undefined;
    return parseSocketName(this.address, level === SOL_IPV6);
  }
}

/** `struct sockaddr_in` (ip(7)) or `sockaddr_in6` (ipv6(7)). */
export function parseSocketName(bytes: Buffer, isV6: boolean): SocketAddress {
  const port = bytes.readUInt16BE(2);
  if (!isV6) return { host: bytes.subarray(4, 8).join('.'), port };
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(8 + 2 * i).toString(16)).join(':');
  return { host: canonicalIp(groups) as string, port };
}

/** Node names a socket's descriptor nowhere but on its handle. */
function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as Socket & { _handle?: { fd?: number } | null };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}

function loadCalls(): OptionCall {
  const koffi = createRequire(import.meta.url)('koffi') as Koffi;
  const getsockopt = koffi
    .load(null)
    .func('int getsockopt(int fd, int level, int option, _Out_ uint8_t *value, _Inout_ uint32_t *length)');
  return { getsockopt } as unknown as OptionCall;
}
