import type { SidecarMode } from './annotations.js';

/** What an installation decides for every pod; the pod's annotations override part of it. */
export interface InjectSettings {
  /** Image of the sidecar and of the container that writes the redirect rules. */
  readonly image: string;
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  /** `HOST:PORT` of the control plane, as pods reach it. */
  readonly controlPlane: string;
  readonly mode: SidecarMode;
  /** Version of Roost that injects; `roost check` compares it. */
  readonly version: string;
}

/** The address that `deploy/kubernetes/roost.yaml` gives the control plane. */
export const CONTROL_PLANE_ADDRESS = 'roost-control-plane.roost-system.svc:15010';

export function defaultSettings(version: string): InjectSettings {
  return {
    image: `roost:${version}`,
    imagePullPolicy: 'IfNotPresent',
    controlPlane: CONTROL_PLANE_ADDRESS,
    mode: 'native',
    version,
  };
}

/** What the sidecar may use where the pod's annotations say nothing. No limit of CPU: it would slow calls down. */
export const DEFAULT_RESOURCES = {
  cpuRequest: '100m',
  memoryRequest: '128Mi',
  memoryLimit: '512Mi',
} as const;
