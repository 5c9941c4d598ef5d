import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';

/**
 * Loaded into a process before it starts (`node --import`): a network that refuses connections to some ports, for that
 * process alone. The file that `UNREACHABLE_PORTS_FILE` names lists them, separated by spaces, as of the moment of each
 * connection.
 */

/** Nobody listens there. */
const REFUSED_PORT = 1;
const file = process.env.UNREACHABLE_PORTS_FILE ?? '';
const connect = Socket.prototype.connect as (this: Socket, ...args: unknown[]) => Socket;

function isUnreachable(port: unknown): boolean {
  return readFileSync(file, 'utf8').split(' ').includes(String(port));
}

/** @param args options, or options and a callback as `net.connect` hands them on */
function refusedWhereWanted(args: unknown[]): unknown[] {
  const [first, ...rest] = args;
  const list = Array.isArray(first) ? first : undefined;
  const options = (list === undefined ? first : list[0]) as { readonly port?: unknown } | null;
  if (typeof options !== 'object' || options === null || !isUnreachable(options.port)) return args;
  const refused = { ...options, port: REFUSED_PORT };
  if (list === undefined) return [refused, ...rest];
  list[0] = refused;
  return args;
}

Object.assign(Socket.prototype, {
  connect(this: Socket, ...args: unknown[]): Socket {
    return connect.apply(this, refusedWhereWanted(args));
  },
});
