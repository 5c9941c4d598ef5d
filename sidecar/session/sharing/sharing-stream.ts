import {
  type ChannelInterface,
  type ClientDuplexStream,
  connectivityState,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { BackOff } from '../../../src/lifecycle/back-off.js';
import type { Logger } from '../../../src/telemetry/logger.js';
import { type Message, serviceDefinition } from '../../../src/xds/descriptors.js';
import { CONTROL_PLANE_BACK_OFF_MS } from '../../discovery/control-plane-channel.js';
import type { ControlPlanes } from '../../discovery/control-planes.js';

/**
 * A control plane that shares no pins is asked again after this, and when the connection to it ends: another version
 * may be at its end then.
 */
const UNIMPLEMENTED_RETRY_MS = 60_000;

type ShareStream = ClientDuplexStream<object, Message>;

/** What happens on the way to the control plane, for the code that shares pins. */
export interface SharingHandlers {
  /** The first request. */
  hello(): object;
  onResponse(response: Message): void;
  onOpen(): void;
  /** The stream has ended, or there was none to be had. */
  onLost(): void;
}

/** The way to the control plane. */
export interface SharingTransport {
  /** The control plane has answered, on the stream that there is now. */
  readonly isOpen: boolean;
  start(): void;
  write(request: object): void;
  close(): void;
}

export interface SharingStreamOptions extends SharingHandlers {
  readonly controlPlanes: ControlPlanes;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

/** The stream over which pins are shared with the control plane in use. Opened again with growing waits. */
export class SharingStream implements SharingTransport {
  private readonly backOff = new BackOff(CONTROL_PLANE_BACK_OFF_MS.first, CONTROL_PLANE_BACK_OFF_MS.max);
  private stream: ShareStream | undefined;
  private reopening: NodeJS.Timeout | undefined;
  private hasAnswered = false;
  /** Told when its state changes. */
  private watched: ChannelInterface | undefined;
  private brokenSince: number | undefined;
  private isClosed = false;

  constructor(private readonly options: SharingStreamOptions) {}

  get isOpen(): boolean {
    return this.hasAnswered;
  }

  start(): void {
    const method = serviceDefinition('roost.v1.SessionService').Share;
    if (method === undefined) throw new Error('the descriptor bundle lacks SessionService; build again');
    const stream = this.options.controlPlanes.current.channel.makeBidiStreamRequest<object, Message>(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
    );
    this.stream = stream;
    stream.on('data', (response: Message) => this.onResponse(response));
    stream.on('error', (error: ServiceError) => this.onBroken(stream, error));
    stream.on('end', () => this.onBroken(stream, undefined));
    stream.write(this.options.hello());
  }

  /** Bounded by what {@link PinSharing} leaves unacknowledged. */
  write(request: object): void {
    this.stream?.write(request);
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.reopening);
    this.stream?.cancel();
  }

  private onResponse(response: Message): void {
    if (!this.hasAnswered) {
      this.hasAnswered = true;
      this.backOff.reset();
      if (this.brokenSince !== undefined) {
        const lastedMs = Math.round(performance.now() - this.brokenSince);
        this.options.log.info({ lastedMs }, 'pins are shared again');
      }
      this.brokenSince = undefined;
      this.options.onOpen();
    }
    this.options.onResponse(response);
  }

  private onBroken(stream: ShareStream, error: ServiceError | undefined): void {
    if (this.stream !== stream) return;
    this.stream = undefined;
    this.hasAnswered = false;
    stream.cancel();
    if (this.isClosed) return;
    const isUnsupported = error?.code === status.UNIMPLEMENTED;
    this.noteBroken(isUnsupported, error);
    this.options.onLost();
    const waitMs = isUnsupported ? UNIMPLEMENTED_RETRY_MS : this.backOff.next();
    this.reopening = setTimeout(() => this.start(), waitMs);
    if (isUnsupported) this.watch(this.options.controlPlanes.current.channel.getChannel());
  }

  /** One watch for each connection, however often the control plane is asked meanwhile. */
  private watch(channel: ChannelInterface): void {
    if (this.watched === channel) return;
    this.watched = channel;
    channel.watchConnectivityState(channel.getConnectivityState(false), Infinity, () => {
      if (this.watched === channel) this.watched = undefined;
      const isOver = this.isClosed || channel.getConnectivityState(false) === connectivityState.SHUTDOWN;
      if (isOver || this.stream !== undefined) return;
      clearTimeout(this.reopening);
      this.start();
    });
  }

  /** One line for each episode. */
  private noteBroken(isUnsupported: boolean, error: ServiceError | undefined): void {
    if (this.brokenSince !== undefined) return;
    this.brokenSince = performance.now();
    const { log, controlPlanes } = this.options;
    const controlPlane = controlPlanes.name;
    if (isUnsupported)
      log.info({ controlPlane }, 'the control plane shares no pins: sessions are kept here only');
    else
      log.warn(
        { controlPlane, code: error?.code },
        'pins are not shared at present: sessions go on by what this sidecar knows',
      );
  }
}
