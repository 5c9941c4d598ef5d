import type { TcpProxy } from '../../support/tcp-proxy.js';
import type { Fault } from '../fault.js';
import type { PacketFilter } from '../packet-filter.js';
import type { World } from '../world.js';

/** Faults of the network between sidecars and control planes. */

export const cut = onOneNetwork('network-cut', 2500, (network) => network.cut());

export const slow = onOneNetwork('network-slow', 2500, (network, world) =>
  network.slow(world.random.between(50, 400)),
);

/** Connections that stay and say nothing, until both ends learn that they are gone. */
export const halfOpen = onOneNetwork('network-half-open', 3000, (network) => network.halfOpen());

export const allCut: Fault = {
  name: 'network-cut-everywhere',
  async run(world) {
    for (const network of world.networks) network.cut();
    await world.dwell(200, 1500);
    for (const network of world.networks) network.restore();
  },
};

function onOneNetwork(name: string, mostMs: number, harm: (network: TcpProxy, world: World) => void): Fault {
  return {
    name,
    async run(world) {
      const network = world.pick(world.networks);
      harm(network, world);
      await world.dwell(500, mostMs);
      network.restore();
    },
  };
}

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
