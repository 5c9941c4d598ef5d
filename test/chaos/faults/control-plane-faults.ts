import { cp, rename, rm } from 'node:fs/promises';
import { FastCaller } from '../../support/fast-traffic.js';
import { eventually } from '../../support/processes.js';
import type { Fault } from '../fault.js';
import type { ControlPlaneProgram } from '../programs.js';
import type { World } from '../world.js';

/** Faults of one control plane with a data directory, and of any of several. */

export const killed: Fault = {
  name: 'control-plane-killed',
  async run(world) {
    const victim = world.pick(world.controlPlanes);
    // In the midst of a write, as often as not.
    await world.dwell(0, 200);
    await victim.kill();
    await world.dwell(50, 1500);
    await victim.start();
  },
};

export const killedOften: Fault = {
  name: 'control-plane-killed-again-and-again',
  async run(world) {
    const victim = world.pick(world.controlPlanes);
    for (let kill = 0; kill < 3; kill++) {
      await victim.kill();
      await victim.start();
      await world.dwell(0, 300);
    }
  },
};

export const stoppedInOrder: Fault = {
  name: 'control-plane-restarted',
  async run(world) {
    const victim = world.pick(world.controlPlanes);
    const code = await victim.stop();
    if (code !== 0) throw new Error(`the control plane ended with ${code}`);
    await world.dwell(50, 500);
    await victim.start();
  },
};

/** Its directory is empty: an unmounted volume. Then it is back. */
export function restartedEmpty(dataDir: string): Fault {
  return {
    name: 'control-plane-restarted-empty',
    async run(world) {
      const victim = world.controlPlanes[0] as ControlPlaneProgram;
      await world.operator.pause();
      await victim.kill();
      await rename(dataDir, `${dataDir}.away`);
      await victim.start();
      await world.connectedAll();
      await keptByAll(world);
      await world.dwell(500, 1500);
      await victim.kill();
      await rm(dataDir, { recursive: true });
      await rename(`${dataDir}.away`, dataDir);
      await victim.start();
      world.operator.start();
    },
  };
}

async function keptByAll({ sidecars }: World): Promise<void> {
  for (const sidecar of sidecars)
    await eventually(
      `${sidecar.name} keeps what it has`,
      async () => ((await sidecar.metric('roost_configuration_kept_resources')) ?? 0) > 0,
    );
}

/** Its directory is as it was some changes ago: a volume put back. Then the newer one is there again. */
export function rolledBack(dataDir: string): Fault {
  return {
    name: 'control-plane-rolled-back',
    async run(world) {
      const victim = world.controlPlanes[0] as ControlPlaneProgram;
      await world.operator.pause();
      await cp(dataDir, `${dataDir}.older`, { recursive: true });
      const late = await world.addService();
      world.operator.start();
      await world.dwell(300, 800);
      await world.operator.pause();
      await victim.kill();
      await rename(dataDir, `${dataDir}.newer`);
      await rename(`${dataDir}.older`, dataDir);
      await victim.start();
      await world.connectedAll();
      await world.dwell(500, 1500);
      // What came after that version goes on; a state-of-the-world client cannot know that it did.
      for (const { name, outbound } of world.sidecars)
        if (name !== 'sotw') await mustAnswer(world, outbound, late, `${name}, after the roll-back`);
      await victim.kill();
      await rm(dataDir, { recursive: true });
      await rename(`${dataDir}.newer`, dataDir);
      await victim.start();
      world.operator.start();
    },
  };
}

async function mustAnswer({ owner }: World, outbound: string, host: string, when: string): Promise<void> {
  const { status, error } = await new FastCaller(owner, outbound, 1).one({ host });
  if (status !== 200) throw new Error(`${host} through ${when}: ${status} ${error}`);
}

/** A sidecar is killed and started while no control plane is there; calls through it wait for that. */
export const sidecarWithoutControlPlane: Fault = {
  name: 'sidecar-restarted-without-control-plane',
  async run(world) {
    const sidecar = world.sidecars.find(({ name }) => name === 'disk');
    if (sidecar === undefined) throw new Error('there is no sidecar that keeps its configuration');
    await world.operator.pause();
    for (const controlPlane of world.controlPlanes) await controlPlane.kill();
    await world.traffic.pause(sidecar.name);
    await sidecar.kill();
    await sidecar.start();
    const { status, text } = await sidecar.ready();
    if (status !== 200 || !/from disk \(\d+ s old\)/.test(text))
      throw new Error(`/ready of a sidecar that started from disk is ${status}: ${text}`);
    if ((await sidecar.metric('roost_configuration_from_disk')) !== 1)
      throw new Error('roost_configuration_from_disk is not 1');
    if (((await sidecar.metric('roost_configuration_age_seconds')) ?? -1) < 0)
      throw new Error('roost_configuration_age_seconds is not there');
    world.traffic.resume(sidecar.name);
    await world.dwell(500, 1500);
    for (const controlPlane of world.controlPlanes) await controlPlane.start();
    world.operator.start();
  },
};
