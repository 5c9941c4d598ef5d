import { bigMesh, serviceName } from '../../micro/big-mesh.js';
import type { Lab } from '../lab.js';
import { StartedControlPlane } from '../started-control-plane.js';

export const ENDPOINTS_EACH = 10;
/** Services applied in one call. */
const BATCH = 100;

/** Starts a control plane that has the mesh already. */
export async function startMesh(lab: Lab): Promise<StartedControlPlane> {
  const controlPlane = await StartedControlPlane.start(lab);
  const mesh = bigMesh({ services: lab.options.services, endpointsEach: ENDPOINTS_EACH, routesEach: 1 });
  for (let at = 0; at < mesh.length; at += BATCH) await controlPlane.apply(...mesh.slice(at, at + BATCH));
  return controlPlane;
}

/** `svc-0001.shop` */
export function fullName(i: number): string {
  return `${serviceName(i)}.shop`;
}
