import type { ChannelSecurityOptions } from '../../../src/access/channel-security.js';
import type { SocketAddress } from '../../../src/model/formats.js';

/** Where etcd is, and how it is talked to. */
export interface EtcdOptions {
  /** At least one; others take over when one does not answer. */
  readonly endpoints: readonly SocketAddress[];
  /** Of all keys, without a slash at its end: `/roost`. */
  readonly prefix: string;
  /** TLS, and the certificate to show. */
  readonly security: Pick<ChannelSecurityOptions, 'ca' | 'clientCert' | 'clientKey'>;
  readonly user?: EtcdUser | undefined;
}

export interface EtcdUser {
  readonly name: string;
  /** Read whenever it is needed. @throws OperatorError */
  password(): string;
}
