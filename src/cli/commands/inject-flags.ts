import { SIDECAR_MODES } from '../../inject/annotations.js';
import { CONTROL_PLANE_ADDRESS, defaultSettings, type InjectSettings } from '../../inject/settings.js';
import { splitHostPort } from '../../model/formats.js';
import { VERSION } from '../../version.js';
import { FlagError, type Flags, oneOf, text, type Values } from '../flags.js';

/** What injection gives every pod, by command or by webhook. */
export const INJECT_FLAGS = {
  sidecarImage: {
    name: 'sidecar-image',
    argument: 'IMAGE',
    help: 'image of injected sidecars',
    default: defaultSettings(VERSION).image,
    parse: text,
  },
  sidecarPullPolicy: {
    name: 'sidecar-pull-policy',
    argument: 'POLICY',
    help: 'when nodes pull that image: Always, IfNotPresent or Never',
    default: 'IfNotPresent',
    parse: oneOf(['Always', 'IfNotPresent', 'Never']),
  },
  sidecarControlPlane: {
    name: 'sidecar-control-plane',
    argument: 'HOST:PORT',
    help: 'where injected sidecars reach the control plane',
    default: CONTROL_PLANE_ADDRESS,
    parse: addressText,
  },
  sidecarMode: {
    name: 'sidecar-mode',
    argument: 'native|container',
    help: 'native: an init container that keeps running (on by default since Kubernetes 1.29); container: one more container',
    default: 'native',
    parse: oneOf(SIDECAR_MODES),
  },
} as const satisfies Flags;

export function injectSettingsOf(flags: Values<typeof INJECT_FLAGS>): InjectSettings {
  return {
    image: flags.sidecarImage,
    imagePullPolicy: flags.sidecarPullPolicy,
    controlPlane: flags.sidecarControlPlane,
    mode: flags.sidecarMode,
    version: VERSION,
  };
}

function addressText(value: string): string {
  if (splitHostPort(value) === undefined)
    throw new FlagError('is not a HOST:PORT, such as roost-control-plane.roost-system.svc:15010');
  return value;
}
