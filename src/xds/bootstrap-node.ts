import type { ChannelSecurityOptions } from '../access/channel-security.js';
import type { SocketAddress } from '../model/formats.js';

/** Configuration that makes other xDS clients use a control plane. */
export interface BootstrapOptions {
  readonly controlPlane: SocketAddress;
  /** Names this client in `roost status`. */
  readonly node: string;
  /** The service it runs beside; undefined: of no service, in the namespace `default`. */
  readonly service: { readonly name: string; readonly namespace: string } | undefined;
  /** Files that the client reads itself; the token is never printed. */
  readonly security: BootstrapSecurity;
}

export type BootstrapSecurity = Omit<ChannelSecurityOptions, 'token'>;

/** What cannot be said in a client's configuration; the message says what can. */
export class UnsupportedSecurityError extends Error {}

/** `node` of either bootstrap. */
export function bootstrapNode({ node, service }: BootstrapOptions): object {
  if (service === undefined) return { id: node, cluster: 'default', metadata: { namespace: 'default' } };
  const { name, namespace } = service;
  return { id: node, cluster: `${name}.${namespace}`, metadata: { service: name, namespace } };
}
