import { type ChannelCredentials, Client, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js';
import { BackOff } from '../../src/lifecycle/back-off.js';
import type { SocketAddress } from '../../src/model/formats.js';
import type { Logger } from '../../src/telemetry/logger.js';
import { type Message, serviceDefinition } from '../../src/xds/descriptors.js';
import { formatAddress, message, messages, text } from '../../src/xds/fields.js';
import {
  ADS_SERVICE,
  kindOfTypeUrl,
  PUSH_ORDER,
  type ResourceKind,
  TYPE_URL,
} from '../../src/xds/resource-types.js';

/** One resource of a response. */
export interface ReceivedResource {
  readonly name: string;
  readonly version: string;
  readonly bytes: Uint8Array;
}

/** Who takes the resources. */
export interface ResourceConsumer {
  /**
   * A response of one type. Subscriptions that follow from it are changed before this returns, so that the
   * server learns of them before it sees the response acknowledged.
   *
   * @returns what was wrong with it; empty: all of it is accepted
   */
  onResources(
    kind: ResourceKind,
    resources: readonly ReceivedResource[],
    removed: readonly string[],
  ): readonly string[];
  onConnected(connected: boolean): void;
}

/** The wildcard name: everything of a type. */
export const WILDCARD = '*';

const FIRST_BACK_OFF_MS = 200;
const MAX_BACK_OFF_MS = 10_000;
/** `google.rpc.Code.INVALID_ARGUMENT` */
const INVALID_ARGUMENT = 3;
/** Longest reason sent with a NACK. */
const MAX_REASON_LENGTH = 4096;

interface TypeState {
  readonly names: Set<string>;
  /** What we hold, to tell the server after a reconnection. */
  readonly versions: Map<string, string>;
  /** A request of this type has gone out on the present stream. */
  requested: boolean;
}

type AdsStream = ClientDuplexStream<object, Message>;

/**
 * A client of delta ADS (xDS protocol, "Incremental xDS"). Keeps one stream open, comes back with growing waits
 * when it breaks, and tells the server what it still holds, so that nothing unchanged is sent again.
 */
export class DeltaClient {
  private readonly client: Client;
  private readonly types: Readonly<Record<ResourceKind, TypeState>>;
  private readonly backOff = new BackOff(FIRST_BACK_OFF_MS, MAX_BACK_OFF_MS);
  private stream: AdsStream | undefined;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  /** What the newest response calls its configuration (`system_version_info`), where that is a number. */
  revision: number | undefined;
  /** Responses refused (NACK), by type. */
  readonly rejections: Record<ResourceKind, number> = { listener: 0, route: 0, cluster: 0, endpoint: 0 };
  private heardFromServer = false;
  private nodeSent = false;

  constructor(
    private readonly address: SocketAddress,
    credentials: ChannelCredentials,
    private readonly node: object,
    private readonly consumer: ResourceConsumer,
    private readonly log: Logger,
  ) {
    this.client = new Client(formatAddress(address.host, address.port), credentials, {
      'grpc.max_receive_message_length': -1,
      'grpc.initial_reconnect_backoff_ms': FIRST_BACK_OFF_MS,
      'grpc.max_reconnect_backoff_ms': MAX_BACK_OFF_MS,
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.enable_channelz': 0,
      'grpc.enable_retries': 0,
    });
    const newState = (): TypeState => ({ names: new Set(), versions: new Map(), requested: false });
    this.types = { listener: newState(), route: newState(), cluster: newState(), endpoint: newState() };
  }

  start(): void {
    this.open();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.stream?.cancel();
    this.client.close();
  }

  /** Changes which names of a type are wanted. */
  subscribe(kind: ResourceKind, names: ReadonlySet<string>): void {
    const state = this.types[kind];
    const added = [...names].filter((name) => !state.names.has(name));
    const dropped = [...state.names].filter((name) => !names.has(name));
    for (const name of added) state.names.add(name);
    for (const name of dropped) {
      state.names.delete(name);
      state.versions.delete(name);
    }
    if (this.stream === undefined || (added.length === 0 && dropped.length === 0)) return;
    if (state.requested)
      this.send(kind, { resourceNamesSubscribe: added, resourceNamesUnsubscribe: dropped });
    else this.sendFirst(kind);
  }

  private open(): void {
    const method = serviceDefinition(ADS_SERVICE).DeltaAggregatedResources;
    if (method === undefined)
      throw new Error('the descriptor bundle lacks DeltaAggregatedResources; build again');
    const stream = this.client.makeBidiStreamRequest<object, Message>(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
    );
    this.stream = stream;
    this.heardFromServer = false;
    this.nodeSent = false;
    stream.on('data', (response: Message) => this.onResponse(response));
    stream.on('error', (error: ServiceError) => this.onBroken(stream, error.details || error.message));
    stream.on('end', () => this.onBroken(stream, 'ended by the server'));
    for (const kind of PUSH_ORDER) {
      this.types[kind].requested = false;
      if (this.types[kind].names.size > 0) this.sendFirst(kind);
    }
  }

  private onBroken(stream: AdsStream, reason: string): void {
    if (this.stream !== stream) return;
    this.stream = undefined;
    stream.cancel();
    if (this.closed) return;
    const waitMs = this.backOff.next();
    const address = formatAddress(this.address.host, this.address.port);
    this.log.warn(
      { controlPlane: address, reason, retryInMs: Math.round(waitMs) },
      'no control plane; going on with what there is',
    );
    this.consumer.onConnected(false);
    this.timer = setTimeout(() => this.open(), waitMs);
  }

  private sendFirst(kind: ResourceKind): void {
    const state = this.types[kind];
    state.requested = true;
    this.send(kind, {
      resourceNamesSubscribe: [...state.names],
      initialResourceVersions: Object.fromEntries(state.versions),
    });
  }

  private send(kind: ResourceKind, fields: object): void {
    const node = this.nodeSent ? {} : { node: this.node };
    this.nodeSent = true;
    this.stream?.write({ ...node, typeUrl: TYPE_URL[kind], ...fields });
  }

  private onResponse(response: Message): void {
    const kind = kindOfTypeUrl(text(response.typeUrl));
    if (!this.heardFromServer) {
      this.heardFromServer = true;
      this.backOff.reset();
      this.log.info(
        { controlPlane: formatAddress(this.address.host, this.address.port) },
        'connected to the control plane',
      );
      this.consumer.onConnected(true);
    }
    // A type that nobody asked for: the protocol has no answer to it.
    if (kind === undefined) return;
    const resources = messages(response.resources).map(toReceived);
    const removed = (response.removedResources as string[] | undefined) ?? [];
    const version = text(response.systemVersionInfo);
    this.revision = /^\d{1,15}$/.test(version) ? Number(version) : undefined;
    const problems = this.consumer.onResources(kind, resources, removed);
    this.remember(kind, resources, removed);
    this.acknowledge(kind, text(response.nonce), problems);
  }

  private remember(
    kind: ResourceKind,
    resources: readonly ReceivedResource[],
    removed: readonly string[],
  ): void {
    const { versions } = this.types[kind];
    for (const { name, version } of resources) versions.set(name, version);
    for (const name of removed) versions.delete(name);
  }

  private acknowledge(kind: ResourceKind, nonce: string, problems: readonly string[]): void {
    const reason = problems.join('\n').slice(0, MAX_REASON_LENGTH);
    if (reason !== '') {
      this.rejections[kind]++;
      this.log.error({ type: kind, problems }, 'rejected a part of the configuration');
    }
    this.send(kind, {
      responseNonce: nonce,
      ...(reason === '' ? {} : { errorDetail: { code: INVALID_ARGUMENT, message: reason } }),
    });
  }
}

function toReceived(raw: Message): ReceivedResource {
  const any = message(raw.resource) ?? {};
  return {
    name: text(raw.name),
    version: text(raw.version),
    bytes: (any.value as Uint8Array | undefined) ?? new Uint8Array(),
  };
}
