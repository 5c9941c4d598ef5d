import { request } from 'node:http';
import { usageOf } from '../../measure/process-usage.js';
import type { SpecialFigure } from '../../report/results.js';
import type { Lab } from '../lab.js';
import type { StartedControlPlane } from '../started-control-plane.js';
import { StartedSidecar } from '../started-sidecar.js';
import { ENDPOINTS_EACH, startMesh } from './mesh.js';

const DEPENDENCIES = 10;
const HOSTS = Array.from({ length: DEPENDENCIES }, (_, i) => `dependency-${i}.shop`);
const SETTLE_MS = 3000;
const MEBIBYTE = 2 ** 20;

/** How much of a mesh a sidecar holds. */
type Way = 'alone' | 'named' | 'onDemand' | 'everything';

const NAMES: Readonly<Record<Way, string>> = {
  alone: 'nothing but itself',
  named: `${DEPENDENCIES} services that it depends on (--depends-on)`,
  onDemand: `${DEPENDENCIES} services that were called (--on-demand)`,
  everything: 'all services',
};

/** Memory of a sidecar that holds what it uses, against one that holds everything. */
export async function measureDependencies(lab: Lab): Promise<SpecialFigure[]> {
  const ways = Object.keys(NAMES) as Way[];
  const controlPlane = await startMesh(lab);
  await controlPlane.apply(...HOSTS.map(dependency));
  const values: Record<Way, number[]> = { alone: [], named: [], onDemand: [], everything: [] };
  const firstCallMs: number[] = [];
  for (let i = 0; i < lab.options.rounds; i++) {
    for (const way of ways) {
      lab.progress.step(`dependencies: ${NAMES[way]}, round ${i + 1}`);
      values[way].push((await residentBytes(lab, controlPlane, way, firstCallMs)) / MEBIBYTE);
    }
  }
  await controlPlane.stop();
  const mesh = `memory of a sidecar in a mesh of ${lab.options.services} services that holds`;
  return [
    ...ways.map((way) => ({
      name: `${mesh} ${NAMES[way]}`,
      unit: 'MB',
      values: values[way],
      goal: undefined,
    })),
    { name: 'first call to a service on demand', unit: 'ms', values: firstCallMs, goal: undefined },
  ];
}

async function residentBytes(
  lab: Lab,
  { address }: StartedControlPlane,
  way: Way,
  firstCallMs: number[],
): Promise<number> {
  const flags = {
    alone: ['--on-demand'],
    named: ['--depends-on', HOSTS.join(',')],
    onDemand: ['--on-demand'],
    everything: [],
  }[way];
  const sidecar = await StartedSidecar.start(lab, { controlPlane: address, flags, probe: false });
  if (way === 'onDemand') for (const host of HOSTS) firstCallMs.push(await callOnce(sidecar.outbound, host));
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const { residentBytes } = usageOf(sidecar.process.pid);
  await sidecar.stop();
  return residentBytes;
}

/** A service like the others, but for calls that end in the sidecar: the pods are addresses at which nobody is. */
function dependency(host: string, i: number): object {
  const endpoints = Array.from({ length: ENDPOINTS_EACH }, (_, n) => ({
    address: `10.250.${i}.${n + 1}:80`,
  }));
  return {
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: host.split('.')[0], namespace: 'shop' },
    spec: {
      port: 8080,
      versions: [
        { name: 'v1', endpoints: endpoints.slice(0, ENDPOINTS_EACH / 2) },
        { name: 'v2', endpoints: endpoints.slice(ENDPOINTS_EACH / 2) },
      ],
      routes: [
        { name: 'here', match: [{ path: { exact: '/' } }], redirect: { path: '/elsewhere' } },
        {
          name: 'default',
          split: [
            { version: 'v1', weight: 80 },
            { version: 'v2', weight: 20 },
          ],
        },
      ],
    },
  };
}

/** From the call to the sidecar's answer, a redirect. */
function callOnce(port: number, host: string): Promise<number> {
  const beganMs = performance.now();
  return new Promise((resolve, reject) => {
    const call = request({ port, host: '127.0.0.1', headers: { host }, agent: false, timeout: 20_000 });
    call.on('response', (response) => {
      response.resume();
      if (response.headers.location !== undefined) resolve(performance.now() - beganMs);
      else reject(new Error(`${host} answered ${response.statusCode} instead of redirecting`));
    });
    call.on('error', reject);
    call.end();
  });
}
