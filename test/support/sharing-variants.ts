/** How a file of cases of shared sessions is run once more: the file that imports it sets these variables. */

/** Where pins are kept in a store; empty: the control plane relays them. */
export const SESSION_STORE = process.env.ROOST_TEST_SESSION_STORE ?? '';

/** Flags of every sidecar. Threads (`ROOST_TEST_WORKERS`) are seen to where sidecars are started. */
export function sharingFlags(): string[] {
  // A deadline far beyond the default, for a machine that is busy: what is late is a case of its own.
  return SESSION_STORE === '' ? [] : ['--session-store', SESSION_STORE, '--session-store-timeout', '2s'];
}

/** Control planes over one store that run already, which sidecars use in turn; empty: one is started. */
export function sharedControlPlanes(): string[] {
  return process.env.ROOST_TEST_CONTROL_PLANES?.split(',') ?? [];
}
