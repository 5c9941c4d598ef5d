import { bigMesh } from '../../micro/big-mesh.js';
import type { SpecialFigure } from '../../report/results.js';
import { FleetProcess } from '../fleet/fleet-process.js';
import type { Lab } from '../lab.js';
import { StartedControlPlane } from '../started-control-plane.js';

/** Services in the mesh, and endpoints of the one that changes. */
const CASES = [
  { services: 100, endpoints: 10 },
  { services: 1000, endpoints: 10 },
  { services: 1000, endpoints: 100 },
  { services: 1000, endpoints: 1000 },
] as const;

/** What one endpoint's change puts on the wire for each sidecar. */
export async function measureBytes(lab: Lab): Promise<SpecialFigure[]> {
  const figures: SpecialFigure[] = [];
  for (const { services, endpoints } of CASES) {
    lab.progress.step(`bytes: ${services} services, one of ${endpoints} endpoints`);
    figures.push({
      name: `one endpoint of ${endpoints} changes, in a mesh of ${services} services: sent to a sidecar`,
      unit: 'bytes',
      values: [await bytesOfChange(lab, services, endpoints)],
      goal: undefined,
    });
  }
  return figures;
}

async function bytesOfChange(lab: Lab, services: number, endpoints: number): Promise<number> {
  const controlPlane = await StartedControlPlane.start(lab);
  const others = bigMesh({ services: services - 1, endpointsEach: 10, routesEach: 1 });
  for (let at = 0; at < others.length; at += 100) await controlPlane.apply(...others.slice(at, at + 100));
  const service = (first: string) => ({
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: 'the-one', namespace: 'shop' },
    spec: { port: 8080, versions: [{ name: 'v1', endpoints: pods(first, endpoints) }] },
  });
  await controlPlane.apply(service('10.200.0.1:8080'));
  const fleet = await FleetProcess.start(lab.processes, controlPlane.address, lab.placement.loadCores);
  await fleet.connect(1);
  await fleet.arm();
  const { revision } = await controlPlane.apply(service('10.200.0.2:8080'));
  await fleet.reached(revision);
  const { bytes } = await fleet.counts();
  await fleet.stop();
  await controlPlane.stop();
  return bytes;
}

function pods(first: string, count: number): object[] {
  const rest = Array.from({ length: count - 1 }, (_, i) => `10.201.${i >> 8}.${i & 255}:8080`);
  return [first, ...rest].map((address) => ({ address }));
}
