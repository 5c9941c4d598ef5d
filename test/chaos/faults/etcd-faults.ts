import { setTimeout as wait } from 'node:timers/promises';
import type { EtcdCluster } from '../../support/etcd.js';
import { eventually } from '../../support/processes.js';
import type { TcpProxy } from '../../support/tcp-proxy.js';
import type { Fault } from '../fault.js';
import type { SmallDisk } from '../small-disk.js';
import { RECOVERY_MS, type World } from '../world.js';

/** No change comes for so long: the fault has nothing to happen to. */
const WITHOUT_CHANGE_MS = 5000;

/** Faults of a cluster of three, and of the network to it. */

export function etcdFaults(etcd: EtcdCluster): Fault[] {
  return [
    {
      name: 'etcd-leader-killed',
      async run(world) {
        const leader = await leaderOf(etcd);
        await etcd.kill(leader);
        await world.dwell(1000, 2500);
        etcd.launch(leader);
        await etcd.ready();
      },
    },
    {
      name: 'etcd-leader-frozen',
      async run(world) {
        const leader = await leaderOf(etcd);
        etcd.freeze(leader);
        await world.dwell(1500, 3000);
        etcd.thaw(leader);
        await etcd.ready();
      },
    },
    {
      name: 'etcd-without-a-majority',
      async run(world) {
        await etcd.kill(0);
        await etcd.kill(2);
        await world.dwell(1500, 3000);
        etcd.launch(0);
        etcd.launch(2);
        await etcd.ready();
      },
    },
    {
      name: 'etcd-killed-altogether',
      async run(world) {
        await Promise.all([0, 1, 2].map((member) => etcd.kill(member)));
        await world.dwell(500, 2000);
        for (const member of [0, 1, 2]) etcd.launch(member);
        await etcd.ready();
      },
    },
    {
      name: 'etcd-history-compacted',
      async run(world) {
        const network = world.pick(world.networks);
        network.cut();
        await world.dwell(300, 600);
        await etcd.compact();
        network.restore();
      },
    },
    {
      name: 'etcd-quota-exhausted',
      run: (world) => exhaustQuota(world, etcd),
    },
  ];
}

/** Etcd says that it is full (its alarm NOSPACE), until somebody makes room and says so. */
async function exhaustQuota(world: World, etcd: EtcdCluster): Promise<void> {
  const before = refusedSoFar(world);
  await etcd.raiseAlarm();
  await eventually('a full etcd takes no change', () => refusedSoFar(world) > before);
  await world.dwell(500, 1500);
  await etcd.compact();
  await etcd.clearAlarms();
}

function refusedSoFar({ operator }: World): number {
  return operator.report.refused + operator.report.unknown;
}

/** The disks of all members are full, until there is room again; members that ended are started. */
export function disksFull(etcd: EtcdCluster, disk: SmallDisk): Fault {
  return {
    name: 'etcd-disks-full',
    async run(world) {
      const before = refusedSoFar(world);
      await disk.fill();
      await eventually('a full disk is noticed', () => etcd.ended > 0 || refusedSoFar(world) > before);
      await world.dwell(1000, 2000);
      await disk.free();
      for (const member of [0, 1, 2]) {
        await etcd.kill(member);
        etcd.launch(member);
      }
      await etcd.ready();
    },
  };
}

/** One control plane loses etcd, and the other does not. */
export function cutFromEtcd(networks: readonly TcpProxy[]): Fault {
  return {
    name: 'control-plane-cut-from-etcd',
    async run(world) {
      const network = world.pick(networks);
      if (world.random.below(2) === 0) network.cut();
      else network.halfOpen();
      await world.dwell(1000, 3000);
      network.restore();
    },
  };
}

/** A change is sent to etcd and made, and its control plane does not hear of it; now and then for longer than it asks. */
export function answersLost(networks: readonly TcpProxy[]): Fault {
  return {
    name: 'answers-of-etcd-lost',
    async run(world) {
      const allMute = new Promise<void>((resolve) => {
        const muteAll = () => {
          for (const network of networks) network.swallowAnswers();
          resolve();
        };
        for (const network of networks) network.swallowAnswersAfter('"action":"split"', muteAll);
      });
      await Promise.race([allMute, wait(WITHOUT_CHANGE_MS)]);
      if (world.random.below(3) === 0) await world.dwell(8000, 10_000);
      else await world.dwell(500, 2500);
      for (const network of networks) network.restore();
    },
  };
}

async function leaderOf(etcd: EtcdCluster): Promise<number> {
  let leader: number | undefined;
  await eventually(
    'etcd has a leader',
    async () => {
      leader = await etcd.leader();
      return leader !== undefined;
    },
    RECOVERY_MS,
  );
  return leader as number;
}
