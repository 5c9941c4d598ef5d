import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { freePorts } from '../../bench/free-ports.js';
import type { EtcdOptions } from '../../control-plane/store/etcd/etcd-options.js';
import { temporaryFolder } from './folder.js';
import { toAddress } from './mesh.js';
import type { Owner } from './owner.js';
import { findPeer, pathOf } from './peers.js';
import { eventually } from './processes.js';

export const ETCD = findPeer('ETCD', 'etcd');

export interface EtcdClusterOptions {
  readonly members?: number;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Where data goes; without it, a folder of the test's own. */
  readonly folder?: string;
}

interface Member {
  readonly name: string;
  /** `127.0.0.1:40001` */
  readonly client: string;
  readonly peer: string;
  readonly dataDir: string;
  process: ChildProcess | undefined;
}

/** Etcd processes of a test's own. Short elections, so that a leader's loss costs tenths of seconds. */
export class EtcdCluster {
  private constructor(
    private readonly members: readonly Member[],
    private readonly options: EtcdClusterOptions,
  ) {}

  static async start(t: Owner, options: EtcdClusterOptions = {}): Promise<EtcdCluster> {
    const { members: count = 1 } = options;
    const folder = options.folder ?? (await temporaryFolder(t));
    const ports = await freePorts(2 * count);
    const members = Array.from({ length: count }, (_, i) => ({
      name: `etcd-${i}`,
      client: `127.0.0.1:${ports[2 * i]}`,
      peer: `127.0.0.1:${ports[2 * i + 1]}`,
      dataDir: join(folder, `etcd-${i}`),
      process: undefined,
    }));
    const cluster = new EtcdCluster(members, options);
    t.teardown(() => Promise.all(members.map((_, i) => cluster.kill(i))));
    for (let i = 0; i < count; i++) cluster.launch(i);
    await cluster.ready();
    return cluster;
  }

  /** `127.0.0.1:40001` of each member. */
  get endpoints(): readonly string[] {
    return this.members.map(({ client }) => client);
  }

  /** As `--store` takes it. */
  store(prefix = '/roost'): string {
    return `etcd://${this.endpoints.join(',')}${prefix}`;
  }

  storeOptions(prefix = '/roost'): EtcdOptions {
    const security = { ca: '', clientCert: '', clientKey: '' };
    return { endpoints: this.endpoints.map(toAddress), prefix, security };
  }

  /** Starts a member that was killed, with the data that it had. */
  launch(index: number, env: NodeJS.ProcessEnv = {}): void {
    const member = this.member(index);
    const { name, client, peer, dataDir } = member;
    const scheme = this.options.args?.includes('--cert-file') ? 'https' : 'http';
    const args = [
      ...['--name', name, '--data-dir', dataDir, '--log-level', 'error'],
      ...[
        '--listen-client-urls',
        `${scheme}://${client}`,
        '--advertise-client-urls',
        `${scheme}://${client}`,
      ],
      ...['--listen-peer-urls', `http://${peer}`, '--initial-advertise-peer-urls', `http://${peer}`],
      ...['--initial-cluster', this.members.map((m) => `${m.name}=http://${m.peer}`).join(',')],
      ...['--heartbeat-interval', '50', '--election-timeout', '500'],
      ...(this.options.args ?? []),
    ];
    member.process = spawn(pathOf(ETCD), args, {
      stdio: ['ignore', 'ignore', 'ignore'],
      env: { ...process.env, ...this.options.env, ...env },
    });
  }

  /** Waits until every member that runs answers reads that all agree on. */
  async ready(): Promise<void> {
    for (const [index, { process: running }] of this.members.entries()) {
      if (running === undefined) continue;
      await eventually(`etcd member ${index} is ready`, () => this.answers(index));
    }
  }

  async kill(index: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const member = this.member(index);
    const { process: running } = member;
    member.process = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const exited = once(running, 'exit');
    running.kill(signal);
    // A stopped process ends when it goes on.
    running.kill('SIGCONT');
    await exited;
  }

  /** Stops a member in its tracks: its connections stay open and say nothing. */
  freeze(index: number): void {
    this.member(index).process?.kill('SIGSTOP');
  }

  thaw(index: number): void {
    this.member(index).process?.kill('SIGCONT');
  }

  /** Index of the member that leads; undefined while nobody does. */
  async leader(): Promise<number | undefined> {
    for (const [index, { process: running }] of this.members.entries()) {
      if (running === undefined) continue;
      const status = await this.admin('/v3/maintenance/status', {}, index).catch(() => undefined);
      if (status !== undefined && status.leader === (status.header as { member_id: string }).member_id)
        return index;
    }
    return undefined;
  }

  /** Calls etcd's JSON gateway: `/v3/kv/compaction`. @throws Error where etcd refuses */
  async admin(path: string, body: object, index = 0, token = ''): Promise<Record<string, unknown>> {
    const response = await fetch(`http://${this.member(index).client}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(5000),
      ...(token === '' ? {} : { headers: { authorization: token } }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text) as Record<string, unknown>;
  }

  /** Revision of etcd. */
  async revision(): Promise<number> {
    const { header } = await this.admin('/v3/kv/range', { key: base64('any') });
    return Number((header as { revision: string }).revision);
  }

  /** Lets go of everything but the present. */
  async compact(): Promise<void> {
    await this.admin('/v3/kv/compaction', { revision: String(await this.revision()), physical: true });
  }

  /** Keys under a prefix. */
  async keys(prefix = '/roost/'): Promise<string[]> {
    const rangeEnd = `${prefix.slice(0, -1)}0`;
    const { kvs = [] } = (await this.admin('/v3/kv/range', {
      key: base64(prefix),
      range_end: base64(rangeEnd),
      keys_only: true,
    })) as { kvs?: { key: string }[] };
    return kvs.map(({ key }) => Buffer.from(key, 'base64').toString());
  }

  /** Of a key, in base64. */
  async value(key: string): Promise<string | undefined> {
    const { kvs = [] } = (await this.admin('/v3/kv/range', { key: base64(key) })) as {
      kvs?: { value: string }[];
    };
    return kvs[0]?.value;
  }

  /** Makes a member say that it is full, after which the cluster takes no writes. */
  async raiseAlarm(): Promise<void> {
    const { members } = (await this.admin('/v3/cluster/member/list', {})) as { members: { ID: string }[] };
    await this.alarm('ACTIVATE', members[0]?.ID);
  }

  /** As an operator does once there is room again. */
  async clearAlarms(): Promise<void> {
    const { alarms = [] } = (await this.alarm('GET')) as { alarms?: { memberID: string }[] };
    for (const { memberID } of alarms) await this.alarm('DEACTIVATE', memberID);
  }

  /** Members that have ended although nobody ended them. */
  get ended(): number {
    return this.members.filter(({ process: running }) => running && running.exitCode !== null).length;
  }

  private alarm(action: string, memberID = '0'): Promise<Record<string, unknown>> {
    return this.admin('/v3/maintenance/alarm', { action, memberID, alarm: 'NOSPACE' });
  }

  async deleteAll(prefix = '/roost/'): Promise<void> {
    const rangeEnd = `${prefix.slice(0, -1)}0`;
    await this.admin('/v3/kv/deleterange', { key: base64(prefix), range_end: base64(rangeEnd) });
  }

  private member(index: number): Member {
    return this.members[index] as Member;
  }

  private async answers(index: number): Promise<boolean> {
    const { process: running } = this.member(index);
    if (running !== undefined && running.exitCode !== null)
      throw new Error(`etcd has ended with ${running.exitCode}`);
    // With TLS, members are looked at by whoever uses them.
    if (this.options.args?.includes('--cert-file')) return true;
    return this.admin('/v3/kv/range', { key: base64('any') }, index).then(
      () => true,
      () => false,
    );
  }
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
