import { join } from 'node:path';
import type { Random } from '../../bench/simulate/random.js';
import { ETCD, EtcdCluster } from '../support/etcd.js';
import type { Owner } from '../support/owner.js';
import { REDIS, RedisServer } from '../support/redis.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { clockJumps, FAKETIME, WallClock } from './clock.js';
import type { Fault } from './fault.js';
import * as controlPlane from './faults/control-plane-faults.js';
import { answersLost, cutFromEtcd, disksFull, etcdFaults } from './faults/etcd-faults.js';
import { HOSTILE_CLIENTS } from './faults/hostile-clients.js';
import * as network from './faults/network-faults.js';
import { sessionStoreFaults } from './faults/session-store-faults.js';
import { IPTABLES, PacketFilter } from './packet-filter.js';
import { ControlPlaneProgram } from './programs.js';
import { SmallDisk } from './small-disk.js';
import { World } from './world.js';

/** Where chaos takes place: a world, and what can go wrong in it. */
export interface Stage {
  readonly world: World;
  /** What can go wrong here alone. */
  readonly own: readonly Fault[];
  /** What can go wrong on every stage. */
  readonly shared: readonly Fault[];
}

export interface StageOptions {
  readonly owner: Owner;
  readonly random: Random;
  readonly folder: string;
  /** This process has network and mount namespaces of its own, and is root in them. */
  readonly isolated: boolean;
  during(): string;
  /** Told of what cannot be done here. */
  onMissing(what: string): void;
}

export type StageName = 'file' | 'etcd' | 'sessions';

export const STAGES: Readonly<Record<StageName, (options: StageOptions) => Promise<Stage | undefined>>> = {
  file: startFileStage,
  etcd: startEtcdStage,
  sessions: startSessionsStage,
};

/** One control plane with a data directory. */
async function startFileStage(options: StageOptions): Promise<Stage> {
  const { owner, folder } = options;
  const dataDir = join(folder, 'data');
  const clock = await startClock(options);
  const program = new ControlPlaneProgram('one', owner, () => ['--data-dir', dataDir], clock?.env);
  await program.start();
  const world = await World.start({ ...options, controlPlanes: [program] });
  const own = [controlPlane.restartedEmpty(dataDir), controlPlane.rolledBack(dataDir)];
  return { world, own, shared: sharedFaults(options, clock) };
}

/** Two control planes over a cluster of three. */
async function startEtcdStage(options: StageOptions): Promise<Stage | undefined> {
  if (ETCD.skip !== false) {
    options.onMissing(`etcd: ${ETCD.skip}`);
    return undefined;
  }
  const { owner, folder, isolated } = options;
  const disk = isolated ? await SmallDisk.mount(join(folder, 'disk')) : undefined;
  if (disk === undefined) options.onMissing('disks that are full: they need root, and "unshare"');
  else owner.teardown(() => disk.unmount());
  const etcd = await EtcdCluster.start(owner, { members: 3, ...(disk && { folder: disk.folder }) });
  const clock = await startClock(options);
  const networks = await Promise.all(etcd.endpoints.map((endpoint) => TcpProxy.start(owner, endpoint)));
  // One goes through a network that can be cut, the other does not.
  const stores = [`etcd://${networks.map(({ text }) => text).join(',')}/roost`, etcd.store()];
  const programs = stores.map(
    (store, i) => new ControlPlaneProgram(`replica-${i}`, owner, () => ['--store', store], clock?.env),
  );
  await Promise.all(programs.map((program) => program.start()));
  const world = await World.start({ ...options, controlPlanes: programs });
  const own = [
    ...etcdFaults(etcd),
    cutFromEtcd(networks),
    answersLost(networks),
    ...(disk === undefined ? [] : [disksFull(etcd, disk)]),
  ];
  return { world, own, shared: sharedFaults(options, clock) };
}

/** Pins that a database keeps, and that the relay of the control plane carries. */
async function startSessionsStage(options: StageOptions): Promise<Stage | undefined> {
  if (REDIS.skip !== false) {
    options.onMissing(`a session store: ${REDIS.skip}`);
    return undefined;
  }
  const { owner, folder } = options;
  const redis = await RedisServer.start(owner);
  const program = new ControlPlaneProgram('one', owner, () => ['--data-dir', join(folder, 'data')]);
  await program.start();
  const world = await World.start({
    ...options,
    controlPlanes: [program],
    sessionStore: `redis://127.0.0.1:${redis.port}`,
  });
  const { cut, allCut, slow, halfOpen } = network;
  const { killed, killedOften, sidecarWithoutControlPlane } = controlPlane;
  const relay = [cut, allCut, slow, halfOpen, killed, killedOften, sidecarWithoutControlPlane];
  return { world, own: sessionStoreFaults(redis), shared: relay };
}

function sharedFaults({ isolated, onMissing }: StageOptions, clock: WallClock | undefined): Fault[] {
  const canFilter = isolated && IPTABLES.skip === false;
  if (!canFilter) onMissing('lost packets: they need root, "unshare" and iptables');
  return [
    controlPlane.killed,
    controlPlane.killedOften,
    controlPlane.stoppedInOrder,
    controlPlane.sidecarWithoutControlPlane,
    network.cut,
    network.allCut,
    network.slow,
    network.halfOpen,
    ...(canFilter ? [network.packetsLost(new PacketFilter())] : []),
    ...HOSTILE_CLIENTS,
    ...(clock === undefined ? [] : [clockJumps(clock)]),
  ];
}

async function startClock({ folder, onMissing }: StageOptions): Promise<WallClock | undefined> {
  if (FAKETIME !== undefined) return WallClock.start(folder, FAKETIME);
  onMissing('clocks that jump: libfaketime is not installed');
  return undefined;
}
