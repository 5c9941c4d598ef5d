import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createClient } from '@redis/client';
import { freePorts } from '../../bench/free-ports.js';
import { openSessionStore } from '../../sidecar/session/store/open-session-store.js';
import type { SessionStore, SessionStoreOptions } from '../../sidecar/session/store/session-store.js';
import type { SharedSession } from '../../src/sessions/shared-pin.js';
import { RECORDS, TTL_MS } from './fake-store.js';
import { temporaryFolder } from './folder.js';
import type { Owner } from './owner.js';
import { findPeer, pathOf } from './peers.js';
import { eventually } from './processes.js';

export const REDIS = findPeer('REDIS_SERVER', 'redis-server', 'valkey-server');

/** The rights that docs/session-store.md has an operator give a sidecar, and those it needs in a cluster besides. */
export const ACL_RULES = 'resetchannels ~roost:* +getrange +set +evalsha +eval +pttl +pexpire';
export const CLUSTER_ACL_RULES = '+cluster|slots +asking';

export interface RedisServerOptions {
  /** `['--requirepass', 'secret']` */
  readonly args?: readonly string[];
  /** Of the operator, who {@link RedisServer.ask} is. */
  readonly user?: string;
  readonly password?: string;
  /** Its port takes TLS; `ask` cannot be used. */
  readonly usesTls?: boolean;
}

/** A Redis of a test's own, on a free port, which keeps nothing on disk unless it is told to. */
export class RedisServer {
  private process: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly folder: string,
    private readonly options: RedisServerOptions,
  ) {}

  static async start(t: Owner, options: RedisServerOptions = {}): Promise<RedisServer> {
    const server = await RedisServer.prepare(t, options);
    await server.launch();
    return server;
  }

  /** Has a port and a folder, and does not run yet. */
  static async prepare(t: Owner, options: RedisServerOptions = {}): Promise<RedisServer> {
    const [port] = await freePorts(1);
    const server = new RedisServer(port as number, await temporaryFolder(t), options);
    t.teardown(() => server.kill());
    return server;
  }

  /** @param extra arguments for this time only */
  async launch(extra: readonly string[] = []): Promise<void> {
    const port = this.options.usesTls
      ? ['--port', '0', '--tls-port', String(this.port)]
      : ['--port', String(this.port)];
    const launched = spawn(
      pathOf(REDIS),
      [...port, '--bind', '127.0.0.1', '--save', '', '--dir', this.folder, ...this.args, ...extra],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    this.process = launched;
    let output = '';
    launched.stdout?.on('data', (data) => {
      output += String(data);
    });
    await eventually('redis-server takes connections', () => {
      if (launched.exitCode !== null) throw new Error(`redis-server has ended: ${output}`);
      return /Ready to accept connections|Loading RDB/.test(output);
    });
  }

  async kill(): Promise<void> {
    const { process: running } = this;
    this.process = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const exited = once(running, 'exit');
    running.kill('SIGKILL');
    await exited;
  }

  /** Stops it in its tracks: connections stay open and say nothing. */
  freeze(): void {
    this.process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.process?.kill('SIGCONT');
  }

  /** As the operator: `ask('CONFIG', 'SET', 'maxmemory', '1')`. @throws Error where it refuses */
  async ask(...command: string[]): Promise<unknown> {
    const { user, password } = this.options;
    const client = createClient({
      socket: { host: '127.0.0.1', port: this.port, reconnectStrategy: false },
      ...(user === undefined ? {} : { username: user }),
      ...(password === undefined ? {} : { password }),
    });
    client.on('error', () => {});
    await client.connect();
    try {
      return await client.sendCommand(command);
    } finally {
      client.destroy();
    }
  }

  /** How a sidecar gets there. */
  get storeOptions(): SessionStoreOptions {
    return {
      hosts: [{ host: '127.0.0.1', port: this.port }],
      isCluster: false,
      database: 0,
      tls: undefined,
      user: '',
      password: '',
      passwordFile: '',
      // Long enough for a busy machine: what is tested is not its speed.
      timeoutMs: 2000,
    };
  }

  private get args(): readonly string[] {
    return this.options.args ?? [];
  }
}

/** A cluster of three, without replicas, which shares the keys out. */
export async function startRedisCluster(t: Owner): Promise<readonly RedisServer[]> {
  const nodes: RedisServer[] = [];
  for (let i = 0; i < 3; i++) {
    const node = await startClusterNode(t, nodes[0]);
    const [from, to] = [Math.ceil((SLOTS * i) / 3), Math.ceil((SLOTS * (i + 1)) / 3) - 1];
    await node.ask('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to));
    nodes.push(node);
  }
  for (const node of nodes) await clusterSays(node, 'INFO', /state:ok[\s\S]*slots_ok:16384/);
  return nodes;
}

/** Adds a replica of a node. Returns once the others know it and it has what the node has. */
export async function addReplica(
  t: Owner,
  nodes: readonly RedisServer[],
  of: RedisServer,
): Promise<RedisServer> {
  const replica = await startClusterNode(t, of);
  const id = String(await of.ask('CLUSTER', 'MYID'));
  await clusterSays(replica, 'NODES', new RegExp(id));
  await replica.ask('CLUSTER', 'REPLICATE', id);
  for (const node of nodes) await clusterSays(node, 'NODES', new RegExp(`slave ${id}`));
  await eventually('the replica is in step', async () =>
    /master_link_status:up/.test(String(await replica.ask('INFO', 'replication'))),
  );
  return replica;
}

async function startClusterNode(t: Owner, known: RedisServer | undefined): Promise<RedisServer> {
  const node = await RedisServer.start(t, { args: ['--cluster-enabled', 'yes', ...CLUSTER] });
  if (known !== undefined) await node.ask('CLUSTER', 'MEET', '127.0.0.1', String(known.port));
  return node;
}

async function clusterSays(node: RedisServer, what: 'INFO' | 'NODES', wanted: RegExp): Promise<void> {
  await eventually(`CLUSTER ${what} says ${wanted}`, async () =>
    wanted.test(String(await node.ask('CLUSTER', what))),
  );
}

const SLOTS = 16_384;
/** What a node that is gone had cannot be served; the rest can. */
const CLUSTER = [
  '--cluster-require-full-coverage',
  'no',
  '--cluster-node-timeout',
  '1000',
  '--repl-diskless-sync-delay',
  '0',
];

export interface OpenedStore {
  readonly store: SessionStore;
  /** Messages of the log. */
  readonly log: { readonly message: string; readonly fields: Record<string, unknown> }[];
  readonly conflicts: SharedSession[];
  find(hash: bigint): Promise<SharedSession | undefined>;
  write(...sessions: SharedSession[]): void;
  /** Until all that waits is written. */
  flushed(): Promise<void>;
}

/** A store as a sidecar opens it, of one service. */
export async function openStore(t: Owner, options: SessionStoreOptions): Promise<OpenedStore> {
  const log: OpenedStore['log'] = [];
  const conflicts: SharedSession[] = [];
  const note = (fields: unknown, message?: string) =>
    void log.push({ message: message ?? '', fields: fields as Record<string, unknown> });
  const store = openSessionStore(options, { info: note, warn: note } as never, {
    onConflict: (_service, session) => void conflicts.push(session),
  });
  t.teardown(() => store.close());
  await store.settled;
  return {
    store,
    log,
    conflicts,
    find: (hash) => store.find(RECORDS, 'checkout.shop', hash, TTL_MS),
    write: (...sessions) => store.write(RECORDS, 'checkout.shop', sessions, TTL_MS),
    flushed: () => eventually('all is written', () => store.pending === 0),
  };
}
