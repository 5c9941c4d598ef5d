import { type Client, connectivityState } from '@grpc/grpc-js';
import type { ChannelSecurity } from '../../src/access/channel-security.js';
import type { SocketAddress } from '../../src/model/formats.js';
import { formatAddress } from '../../src/net/ip-address.js';
import { controlPlaneChannel, MAX_MESSAGE_BYTES } from './control-plane-channel.js';

/** One control plane, and the connection to it. */
export interface ControlPlane {
  readonly address: SocketAddress;
  readonly security: ChannelSecurity;
  readonly channel: Client;
}

/**
 * The control planes that a sidecar may talk to, over one store: one at a time, the next one when it fails. Which
 * comes first is drawn, so that sidecars with the same list spread over it; after that they go in its order.
 */
export class ControlPlanes {
  private readonly all: readonly ControlPlane[];
  private index: number;
  private failures = 0;

  /**
   * @param random 0 to below 1
   * @param maxMessageBytes largest message taken
   */
  constructor(
    targets: readonly Omit<ControlPlane, 'channel'>[],
    random: () => number = Math.random,
    maxMessageBytes = MAX_MESSAGE_BYTES,
  ) {
    this.all = targets.map((target) => ({
      ...target,
      channel: controlPlaneChannel(target.address, target.security, maxMessageBytes),
    }));
    this.index = Math.floor(random() * targets.length);
  }

  get current(): ControlPlane {
    return this.all[this.index] as ControlPlane;
  }

  /** Of the one in use, for people. */
  get name(): string {
    const { host, port } = this.current.address;
    return formatAddress(host, port);
  }

  /**
   * The one in use has failed: the next is.
   *
   * @returns whether all have failed since one last answered: time to wait
   */
  turn(): boolean {
    this.index = (this.index + 1) % this.all.length;
    this.failures++;
    return this.failures >= this.all.length;
  }

  /** Whether another one could be tried while there is no connection to the one in use. */
  get isBetterTurned(): boolean {
    const state = this.current.channel.getChannel().getConnectivityState(false);
    return this.all.length > 1 && state !== connectivityState.READY;
  }

  /** The one in use has answered. */
  answered(): void {
    this.failures = 0;
  }

  close(): void {
    for (const { channel } of this.all) channel.close();
  }
}
