import type { Fault } from '../fault.js';
import type { PacketFilter } from '../packet-filter.js';

/** Faults of the network between sidecars and control planes. */

export const cut: Fault = {
  name: 'network-cut',
  async run(world) {
    const network = world.pick(world.networks);
    network.cut();
    await world.dwell(200, 2500);
    network.restore();
  },
};

export const allCut: Fault = {
  name: 'network-cut-everywhere',
  async run(world) {
    for (const network of world.networks) network.cut();
    await world.dwell(200, 1500);
    for (const network of world.networks) network.restore();
  },
};

export const slow: Fault = {
  name: 'network-slow',
  async run(world) {
    const network = world.pick(world.networks);
    network.slow(world.random.between(50, 400));
    await world.dwell(1000, 2500);
    network.restore();
  },
};

/** Connections that stay and say nothing, until both ends learn that they are gone. */
export const halfOpen: Fault = {
  name: 'network-half-open',
  async run(world) {
    const network = world.pick(world.networks);
    network.halfOpen();
    await world.dwell(1000, 3000);
    network.restore();
  },
};

/** Packets to and from a control plane are lost, all of them, and then arrive again. */
export function packetsLost(filter: PacketFilter): Fault {
  return {
    name: 'packets-lost',
    async run(world) {
      const { grpc } = world.pick(world.controlPlanes);
      const port = Number(grpc.split(':')[1]);
      await world.operator.pause();
      await filter.drop(port);
      try {
        await world.dwell(1000, 3000);
      } finally {
        await filter.pass(port);
      }
      world.operator.start();
    },
  };
}
