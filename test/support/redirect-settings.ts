import type { Test } from 'tap';
import type { RedirectSettings } from '../../src/redirect/settings.js';
import type { Pod } from './network-namespaces.js';
import { ROOST } from './processes.js';

/** The defaults of `roost redirect apply`, but for what a test says. */
export function redirectSettings(changes: Partial<RedirectSettings> = {}): RedirectSettings {
  return {
    uid: 1337,
    gid: 1337,
    inboundPort: 15006,
    outboundPort: 15001,
    adminPort: 15000,
    excludeInboundPorts: [22, 15020],
    excludeOutboundPorts: [],
    excludeOutboundCidrs: [],
    excludeInterfaces: [],
    whenDown: 'fail',
    ...changes,
  };
}

/** Every setting that can be set. */
export const EVERY_SETTING = redirectSettings({
  uid: 2000,
  gid: 3000,
  inboundPort: 16006,
  outboundPort: 16001,
  adminPort: 16000,
  excludeInboundPorts: [22, 9090],
  excludeOutboundPorts: [5432, 6379],
  excludeOutboundCidrs: ['10.8.0.0/16', '192.0.2.1/32', 'fd00::/8'],
  excludeInterfaces: ['wg0', 'eth1'],
  whenDown: 'bypass',
});

/** Runs `roost redirect` in a pod. */
export function redirect(pod: Pod, ...args: string[]) {
  return pod.run([process.execPath, ROOST, 'redirect', ...args]);
}

export function applyRedirect(t: Pick<Test, 'equal'>, pod: Pod, ...args: string[]): void {
  const { code, stderr } = redirect(pod, 'apply', ...args);
  t.equal(code, 0, stderr);
}
