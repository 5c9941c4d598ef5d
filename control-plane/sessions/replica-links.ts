import { Client, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js';
import type { ChannelSecurity } from '../../src/access/channel-security.js';
import { BackOff } from '../../src/lifecycle/back-off.js';
import { readCounts } from '../../src/sessions/endpoint-view.js';
import type { Logger } from '../../src/telemetry/logger.js';
import { type Message, serviceDefinition } from '../../src/xds/descriptors.js';
import { messages, text } from '../../src/xds/fields.js';
import type { Presence } from '../store/presence.js';
import type { SessionHub } from './session-hub.js';
import type { Follower, SharedService } from './shared-service.js';

export interface ReplicaLinksOptions {
  readonly hub: SessionHub;
  /** What this control plane calls itself; another name for each. */
  readonly name: string;
  readonly presence: Presence;
  /** How to reach another control plane. @throws OperatorError where it cannot be told */
  securityFor(address: string): ChannelSecurity;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

const BACK_OFF_MS = { first: 200, max: 10_000 } as const;

/**
 * Follows, at every other control plane over the same store, the services that this one's sidecars call. Each control
 * plane reads from all others, and what it learns it passes on: a pin that comes twice changes nothing.
 */
export class ReplicaLinks {
  private readonly links = new Map<string, ReplicaLink>();
  private readonly stopListening: () => void;

  constructor(private readonly options: ReplicaLinksOptions) {
    this.stopListening = options.presence.onChange(() => this.update());
    options.hub.onService = (service) => {
      for (const link of this.links.values()) link.follow(service);
    };
    this.update();
  }

  close(): void {
    this.stopListening();
    for (const link of this.links.values()) link.close();
    this.links.clear();
  }

  private update(): void {
    const { presence, hub, log } = this.options;
    const addresses = new Map(
      presence.others.flatMap(({ name, sharing }) => (sharing ? [[sharing, name] as const] : [])),
    );
    for (const [address, link] of this.links) {
      if (addresses.has(address)) continue;
      link.close();
      this.links.delete(address);
    }
    for (const [address, name] of addresses) {
      if (this.links.has(address)) continue;
      const open = () => this.open(address);
      const link = new ReplicaLink({
        hub,
        peer: replicaId(name),
        self: replicaId(this.options.name),
        open,
        log,
      });
      this.links.set(address, link);
      link.start();
    }
  }

  private open(address: string): Client {
    const { credentials, interceptors } = this.options.securityFor(address);
    return new Client(address, credentials, {
      interceptors,
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.enable_channelz': 0,
      'grpc.enable_retries': 0,
    });
  }
}

function replicaId(name: string): string {
  return `control plane ${name}`;
}

interface LinkOptions {
  readonly hub: SessionHub;
  /** The other control plane, and this one. */
  readonly peer: string;
  readonly self: string;
  open(): Client;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

type ShareStream = ClientDuplexStream<object, Message>;

/** The stream from one other control plane. Opened again with growing waits. */
class ReplicaLink implements Follower {
  readonly peer: string;
  private readonly backOff = new BackOff(BACK_OFF_MS.first, BACK_OFF_MS.max);
  private readonly positions = new Map<string, { readonly epoch: number; readonly sequence: number }>();
  private client: Client | undefined;
  private stream: ShareStream | undefined;
  private reopening: NodeJS.Timeout | undefined;
  private isBroken = false;
  private isClosed = false;

  constructor(private readonly options: LinkOptions) {
    this.peer = options.peer;
  }

  start(): void {
    const method = serviceDefinition('roost.v1.SessionService').Share;
    if (method === undefined) throw new Error('the descriptor bundle lacks SessionService; build again');
    const { hub, self } = this.options;
    this.client ??= this.options.open();
    const stream = this.client.makeBidiStreamRequest<object, Message>(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
    );
    this.stream = stream;
    stream.on('data', (response: Message) => this.onResponse(response));
    stream.on('error', (error: ServiceError) => this.onBroken(stream, error));
    stream.on('end', () => this.onBroken(stream, undefined));
    for (const service of hub.all) this.expectFrom(service);
    const follow = [...hub.all].map((service) => this.followMessage(service));
    stream.write({ caller: { id: self, replica: true }, follow });
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.reopening);
    this.stream?.cancel();
    this.client?.close();
    this.leave();
  }

  /** This control plane's sidecars call another service. */
  follow(service: SharedService): void {
    if (this.stream === undefined) return;
    this.expectFrom(service);
    this.stream.write({ follow: [this.followMessage(service)] });
  }

  /** It is told nothing: the other control plane reads from this one by itself. */
  onChanges(): void {}

  onViews(): void {}

  onWanted(): void {}

  private expectFrom(service: SharedService): void {
    service.expect(this);
    service.views.expect(this.peer);
  }

  /** Its pins are waited for no longer, and what its sidecars see is not known any more. */
  private leave(): void {
    for (const service of this.options.hub.all) {
      service.warmed(this);
      service.views.leave(this.peer);
    }
  }

  private followMessage({ name, book }: SharedService): object {
    return { service: name, ttlMs: book.ttlMs, ...this.positions.get(name) };
  }

  private onResponse(response: Message): void {
    const { hub, log, peer } = this.options;
    this.backOff.reset();
    if (this.isBroken) log.info({ peer }, 'pins are shared with the other control plane again');
    this.isBroken = false;
    for (const batch of messages(response.pins))
      hub.relayFrom(this, text(batch.service), Buffer.from(batch.records as Uint8Array));
    for (const each of messages(response.families))
      hub.learnFamily({ family: text(each.family), services: each.services as readonly string[] });
    for (const views of messages(response.views)) this.onServiceViews(views);
    const epoch = Number(response.epoch ?? 0);
    for (const position of messages(response.positions)) {
      const name = text(position.service);
      this.positions.set(name, { epoch, sequence: Number(position.sequence ?? 0) });
      if (position.complete === true) hub.find(name)?.warmed(this);
    }
  }

  private onServiceViews({ service, sidecars, endpoints }: Message): void {
    const { hub, peer } = this.options;
    const views = hub.find(text(service))?.views;
    views?.takeSidecars(peer, Number(sidecars ?? 0));
    for (const raw of messages(endpoints)) {
      const told = { endpoint: Number(raw.endpoint), recovered: raw.recovered === true, ...readCounts(raw) };
      views?.takeCounts(peer, Number(sidecars ?? 0), told, hub.nowMs);
    }
  }

  private onBroken(stream: ShareStream, error: ServiceError | undefined): void {
    if (this.stream !== stream) return;
    this.stream = undefined;
    stream.cancel();
    if (this.isClosed) return;
    const { log, peer } = this.options;
    this.leave();
    if (!this.isBroken)
      log.warn({ peer, code: error?.code }, 'pins are not shared with another control plane at present');
    this.isBroken = true;
    this.reopening = setTimeout(() => this.start(), this.backOff.next());
  }
}
