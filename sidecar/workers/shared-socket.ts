import { createRequire } from 'node:module';
import { isIPv6 } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { ListenError } from '../../src/lifecycle/listen.js';
import { OperatorError } from '../../src/lifecycle/operator-error.js';
import type { SocketAddress } from '../../src/model/formats.js';
import { formatAddress } from '../../src/net/ip-address.js';

/**
 * A socket bound with `SO_REUSEPORT`, for Node before 22.12, whose `server.listen` cannot ask for it but takes a
 * descriptor. By the C library, through koffi; loaded only here.
 */

/** Numbers of Linux (socket(2), socket(7), ipv6(7)), the same on x86, ARM, RISC-V and POWER. */
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;

/** What we use of the C library. Each returns -1 where it has failed. */
interface SocketCalls {
  socket(family: number, type: number, protocol: number): number;
  setsockopt(fd: number, level: number, option: number, value: Buffer, length: number): number;
  bind(fd: number, address: Buffer, length: number): number;
  close(fd: number): number;
  inet_pton(family: number, host: string, bytes: Buffer): number;
  errno(): number;
}

let loaded: SocketCalls | undefined;

/**
 * @param address its host as a number
 * @returns a descriptor, to be listened on
 * @throws ListenError; OperatorError where koffi is not installed
 */
export function bindSharedSocket(what: string, address: SocketAddress): number {
  const calls = socketCalls();
  const check = (result: number): number => {
    if (result !== -1) return result;
    const number = calls.errno();
    const code = getSystemErrorName(-number);
    throw new ListenError(
      what,
      formatAddress(address.host, address.port),
      Object.assign(new Error(code), { code }),
    );
  };
  const name = socketName(address, calls);
  const family = name.readUInt16LE(0);
  const fd = check(calls.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  try {
    const set = (level: number, option: number, value: number) =>
      check(calls.setsockopt(fd, level, option, int(value), 4));
    set(SOL_SOCKET, SO_REUSEADDR, 1);
    set(SOL_SOCKET, SO_REUSEPORT, 1);
    // As Node has it: `::` takes IPv4, too.
    if (family === AF_INET6) set(IPPROTO_IPV6, IPV6_V6ONLY, 0);
    check(calls.bind(fd, name, name.length));
    return fd;
  } catch (error) {
    calls.close(fd);
    throw error;
  }
}

function socketCalls(): SocketCalls {
  loaded ??= load();
  return loaded;
}

interface Koffi {
  load(library: null): { func(prototype: string): (...args: never[]) => unknown };
  errno(): number;
}

function load(): SocketCalls {
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)('koffi') as Koffi;
  } catch (cause) {
    throw new OperatorError(
      `cannot run several workers: Node ${process.versions.node} needs the package koffi for it, which is not here; ` +
        'use Node 22.12 or later, install koffi, or use --workers 1',
      { cause },
    );
  }
  const library = koffi.load(null);
  const calls = {
    socket: library.func('int socket(int family, int type, int protocol)'),
    setsockopt: library.func(
      'int setsockopt(int fd, int level, int option, const void *value, uint32_t length)',
    ),
    bind: library.func('int bind(int fd, const void *address, uint32_t length)'),
    close: library.func('int close(int fd)'),
    inet_pton: library.func('int inet_pton(int family, const char *host, _Out_ uint8_t *bytes)'),
    errno: () => koffi.errno(),
  };
  return calls as unknown as SocketCalls;
}

/** `struct sockaddr_in` (ip(7)) or `sockaddr_in6` (ipv6(7)). */
function socketName({ host, port }: SocketAddress, calls: SocketCalls): Buffer {
  const isV6 = isIPv6(host);
  const family = isV6 ? AF_INET6 : AF_INET;
  const name = Buffer.alloc(isV6 ? 28 : 16);
  name.writeUInt16LE(family, 0);
  name.writeUInt16BE(port, 2);
  calls.inet_pton(family, host, name.subarray(isV6 ? 8 : 4));
  return name;
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}
