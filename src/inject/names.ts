/** Names that injection gives things in a pod. Operators and other programs rely on them. */

export const SIDECAR_CONTAINER = 'roost';
export const REDIRECT_CONTAINER = 'roost-redirect';
export const STATE_VOLUME = 'roost-state';
export const OWN_CONTAINERS: readonly string[] = [SIDECAR_CONTAINER, REDIRECT_CONTAINER];

/** Label of namespaces and pods: `enabled` or `disabled`. */
export const INJECT_LABEL = 'roost.dev/inject';
/** What injection did to a pod, as JSON; its presence says that the pod has a sidecar. */
export const STATUS_ANNOTATION = 'roost.dev/status';

/** The user and group of the sidecar, whose traffic the redirect rules leave alone. */
export const SIDECAR_UID = 1337;

/** Ports of the sidecar; they follow docs/sidecar-ports.md. */
export const SIDECAR_PORTS = { admin: 15000, outbound: 15001, inbound: 15006, metrics: 15020 } as const;

/** Path on the metrics port that tells whether the app takes connections on a port. */
export const APP_PORT_PATH = '/app-port/';
