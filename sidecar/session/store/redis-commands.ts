import type { CommandParser, RedisClientOptions } from '@redis/client';
import { RECORD_BYTES } from '../../../src/sessions/pin-records.js';
import { type RedisAccess, type RedisOptions, serverName } from './redis-options.js';
import type { Replacement } from './store-client.js';

type Library = typeof import('@redis/client');

/** A client of the library, as far as it is used. */
export interface RedisCommands {
  connect(): Promise<unknown>;
  /** The address of the cluster's node that has this key; empty: there is one server only, or it is not known yet. */
  nodeOf(key: string): string;
  /** Empty: there is none. */
  getRange(key: string, start: number, end: number): Promise<Buffer>;
  replacePin(key: string, replacement: Replacement): Promise<Buffer | null>;
  touchPin(key: string, ttlMs: number): Promise<unknown>;
  destroy(): void;
}

/** What is read of a value: one byte more than a pin has, so that a large value of another kind costs nothing. */
export const LAST_BYTE = RECORD_BYTES;

/**
 * KEYS: the session. ARGV: value, ttl in milliseconds, and the value expected. Writes where there is nothing, the same,
 * the expected value, or something that is not a text of bytes. Answers with what is there otherwise.
 */
export const REPLACE = `
local present = redis.pcall('GETRANGE', KEYS[1], 0, ${LAST_BYTE})
if type(present) == 'table' then
  if not string.find(present.err, 'WRONGTYPE', 1, true) then return present end
  present = ''
end
if present == '' or present == ARGV[1] or present == ARGV[3] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return false
end
return present`;

/** KEYS: the session. ARGV: ttl in milliseconds. At most once per quarter of the ttl, so that reads cause few writes. */
const TOUCH = `
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and left < tonumber(ARGV[1]) * 0.75 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return false`;

/** How long a connection may take. */
const CONNECT_MS = 1500;
/** Waits of a cluster's node before it is dialled again, and their end. */
const FIRST_WAIT_MS = 100;
const LAST_WAIT_MS = 2000;
/** A node that has been away for so long may have been replaced: the others are asked. */
const REDISCOVER_MS = 1000;
/** Commands that wait for answers, in each connection; far above what lookups and writes have on their way. */
const MOST_COMMANDS = 10_000;

/**
 * A client that is not connected yet.
 *
 * @param onBroken the connection is gone, and this client is of no more use
 */
export function createRedisCommands(
  library: Library,
  options: RedisOptions,
  access: RedisAccess,
  onBroken: (cause: Error) => void,
): RedisCommands {
  return options.isCluster
    ? createCluster(library, options, access)
    : createStandalone(library, options, access, onBroken);
}

function createStandalone(
  library: Library,
  { hosts, database }: RedisOptions,
  access: RedisAccess,
  onBroken: (cause: Error) => void,
): RedisCommands {
  const [{ host, port }] = hosts as [{ host: string; port: number }];
  const client = library.createClient({
    ...commonOptions(access),
    scripts: scripts(library),
    database,
    RESP: 2,
    socket: {
      ...socketOptions(access),
      ...target(host, port, access),
      reconnectStrategy: false,
    },
  });
  client.on('error', onBroken);
  return withBuffers(library, client, () => '');
}

/** A cluster's client finds the nodes, keeps connections to those that it has used, and follows what moves. */
function createCluster(library: Library, { hosts }: RedisOptions, access: RedisAccess): RedisCommands {
  const socket = {
    ...socketOptions(access),
    reconnectStrategy: (retries: number) =>
      Math.min(FIRST_WAIT_MS * 2 ** retries, LAST_WAIT_MS) * (0.5 + Math.random() / 2),
  };
  const cluster = library.createCluster({
    rootNodes: hosts.map(({ host, port }) => ({ socket: target(host, port, access) })),
    defaults: { ...commonOptions(access), socket },
    scripts: scripts(library),
    RESP: 2,
    // A node that is down must not keep the others from being used.
    minimizeConnections: true,
    topologyRefreshOnReconnectionAttemptStrategy: REDISCOVER_MS,
    commandOptions: { timeout: 0 },
    nodeAddressMap: (address) => {
      const colon = address.lastIndexOf(':');
      return target(address.slice(0, colon), Number(address.slice(colon + 1)), access);
    },
  });
  // What is wrong with a node shows in what is asked of it.
  cluster.on('error', () => {});
  return withBuffers(library, cluster, (key) => cluster.slots[hashSlot(key)]?.master.address ?? '');
}

function commonOptions({ user, password }: RedisAccess) {
  return {
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password }),
    // Whether to wait, and how long, is decided by the callers of the commands.
    disableOfflineQueue: true,
    commandsQueueMaxLength: MOST_COMMANDS,
    commandOptions: { timeout: 0 },
    maintNotifications: 'disabled',
    clientInfoTag: 'roost',
  } as const satisfies RedisClientOptions;
}

function socketOptions({ secureContext }: RedisAccess) {
  const tls = secureContext === undefined ? {} : { tls: true as const, secureContext };
  return { connectTimeout: CONNECT_MS, ...tls };
}

function target(host: string, port: number, { secureContext }: RedisAccess) {
  const servername = serverName(host);
  return { host, port, ...(secureContext === undefined || servername === '' ? {} : { servername }) };
}

function scripts(library: Library) {
  const untransformed = (reply: unknown) => reply as Buffer | null;
  return {
    replacePin: library.defineScript({
      SCRIPT: REPLACE,
      NUMBER_OF_KEYS: 1,
      parseCommand(parser: CommandParser, key: string, { expected, value, ttlMs }: Replacement) {
        parser.pushKey(key);
        parser.push(value, String(ttlMs), expected ?? '');
      },
      transformReply: untransformed,
    }),
    touchPin: library.defineScript({
      SCRIPT: TOUCH,
      NUMBER_OF_KEYS: 1,
      parseCommand(parser: CommandParser, key: string, ttlMs: number) {
        parser.pushKey(key);
        parser.push(String(ttlMs));
      },
      transformReply: untransformed,
    }),
  };
}

/** Values are bytes; commands go by the proxy that says so, the connection is the client's. */
function withBuffers(
  { RESP_TYPES }: Library,
  client: {
    connect(): Promise<unknown>;
    destroy(): void;
    withTypeMapping(mapping: object): unknown;
  },
  nodeOf: (key: string) => string,
): RedisCommands {
  const commands = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }) as Pick<
    RedisCommands,
    'getRange' | 'replacePin' | 'touchPin'
  >;
  return {
    connect: () => client.connect(),
    destroy: () => client.destroy(),
    nodeOf,
    getRange: (key, start, end) => commands.getRange(key, start, end),
    replacePin: (key, replacement) => commands.replacePin(key, replacement),
    touchPin: (key, ttlMs) => commands.touchPin(key, ttlMs),
  };
}

const SLOTS = 16_384;

/** The slot of a key without braces: CRC16 (XMODEM), as the specification of Redis Cluster has it. */
export function hashSlot(key: string): number {
  let crc = 0;
  for (let i = 0; i < key.length; i++) {
    crc ^= key.charCodeAt(i) << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
    crc &= 0xffff;
  }
  return crc % SLOTS;
}
