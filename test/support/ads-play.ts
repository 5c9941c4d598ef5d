import { type AdsSource, beginRound, newAdsSource } from '../../control-plane/ads/ads-source.js';
import type { AdsCall, AdsStream } from '../../control-plane/ads/ads-stream.js';
import { DeltaRequests } from '../../control-plane/ads/delta-request.js';
import { DeltaStream } from '../../control-plane/ads/delta-stream.js';
import { LiveEndpoints } from '../../control-plane/endpoints/live-endpoints.js';
import { ChangeLog } from '../../control-plane/snapshot/change-log.js';
import { Snapshot } from '../../control-plane/snapshot/snapshot.js';
import {
  type MeshService,
  parseMeshService,
  type ServiceKey,
  serviceKey,
} from '../../src/model/mesh-service.js';
import { codec } from '../../src/xds/descriptors.js';
import { kindOfTypeUrl, PUSH_ORDER, type ResourceKind, TYPE_URL } from '../../src/xds/resource-types.js';

/** Streams of delta ADS against a snapshot, without a network: a test says when anything moves. */

const REQUEST = codec('envoy.service.discovery.v3.DeltaDiscoveryRequest');
export const RESPONSE = codec('envoy.service.discovery.v3.DeltaDiscoveryResponse');

export interface PlayedResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly resources: readonly { readonly name: string; readonly version: string }[];
  readonly removedResources: readonly string[];
}

/** What streams read from, moved by documents. */
export class PlayedServer {
  readonly snapshot = new Snapshot();
  readonly changes = new ChangeLog();
  readonly requests = new DeltaRequests();
  readonly source: AdsSource<AdsStream> = newAdsSource(this.snapshot, this.changes, () => this.nowMs);
  nowMs = 0;

  readonly live = new LiveEndpoints();
  private readonly context = {
    pinSecret: Buffer.alloc(32),
    incarnation: () => '',
    endpointsOf: (service: MeshService, release: string) => this.live.of(serviceKey(service), release),
  };

  constructor() {
    this.live.onChange((changed) => this.add(() => this.snapshot.updateEndpoints(changed, this.context)));
  }

  apply(...documents: readonly object[]): void {
    this.applyServices(...documents.map(parseMeshService));
  }

  applyServices(...services: readonly MeshService[]): void {
    this.move(new Map(services.map((service) => [serviceKey(service), service])));
  }

  delete(key: ServiceKey): void {
    this.move(new Map([[key, undefined]]));
  }

  /** Begins a round of pushes. @returns the clients to visit */
  beginRound(): readonly AdsStream[] {
    return [...beginRound(this.source)];
  }

  /** Stops serving what was dropped. */
  forget(): void {
    this.add(() => this.snapshot.forget(0));
  }

  private move(changed: Parameters<Snapshot['update']>[1]): void {
    const { revision } = this.snapshot;
    this.add(() => this.snapshot.update(revision + 1, changed, this.context, 0));
  }

  private add(move: () => ReturnType<Snapshot['forget']>): void {
    const from = this.snapshot.sequence;
    const changed = move();
    if (this.snapshot.sequence !== from) this.changes.add(from, changed, () => 0);
  }
}

/** A client with a stream whose transport takes something when the test says so. */
export class PlayedClient {
  /** Handed to the transport, oldest first. */
  readonly handed: Buffer[] = [];
  readonly nonces: string[] = [];
  readonly held: Record<ResourceKind, Map<string, string>> = {
    listener: new Map(),
    route: new Map(),
    cluster: new Map(),
    endpoint: new Map(),
  };
  readonly wanted: Record<ResourceKind, Set<string>> = {
    listener: new Set(),
    route: new Set(),
    cluster: new Set(),
    endpoint: new Set(),
  };
  readonly stream: DeltaStream;
  readonly source: AdsSource<AdsStream>;
  private readonly taken: (() => void)[] = [];
  /** Requests that wait because the stream does not read. */
  private readonly unread: Buffer[] = [];
  private paused = false;

  constructor(
    private readonly server: PlayedServer,
    private readonly namespace = 'shop',
    private readonly agent = 'roost',
  ) {
    const call = {
      writableEnded: false,
      destroyed: false,
      pause: () => {
        this.paused = true;
      },
      resume: () => {
        this.paused = false;
      },
      write: (bytes: Buffer, taken: () => void) => {
        this.handed.push(bytes);
        this.taken.push(taken);
      },
      end: () => {
        call.writableEnded = true;
      },
    };
    this.source = server.source;
    this.stream = new DeltaStream(call as unknown as AdsCall, server.source);
  }

  ask(kind: ResourceKind, subscribe: readonly string[], unsubscribe: readonly string[] = []): void {
    for (const name of subscribe) this.wanted[kind].add(name);
    for (const name of unsubscribe) this.wanted[kind].delete(name);
    for (const name of unsubscribe) if (!this.covers(kind, name)) this.held[kind].delete(name);
    this.say({
      typeUrl: TYPE_URL[kind],
      resourceNamesSubscribe: subscribe,
      resourceNamesUnsubscribe: unsubscribe,
    });
  }

  say(fields: object): void {
    const metadata = { fields: { namespace: { stringValue: this.namespace } } };
    const node = { userAgentName: this.agent, metadata };
    this.unread.push(REQUEST.encode({ node, ...fields }));
    this.read();
  }

  /** The transport takes the oldest response, and the client takes it in and acknowledges it. */
  take(): PlayedResponse | undefined {
    const taken = this.taken.shift();
    if (taken === undefined) return undefined;
    const response = RESPONSE.decode(this.handed.at(-1) as Buffer) as unknown as PlayedResponse;
    const kind = kindOfTypeUrl(response.typeUrl) as ResourceKind;
    if (this.nonces.includes(response.nonce)) throw new Error(`the nonce ${response.nonce} is there twice`);
    this.nonces.push(response.nonce);
    for (const { name, version } of response.resources)
      if (this.covers(kind, name)) this.held[kind].set(name, version);
    for (const name of response.removedResources) this.held[kind].delete(name);
    taken();
    this.say({ typeUrl: response.typeUrl, responseNonce: response.nonce });
    return response;
  }

  /** The transport takes the oldest response, and the client refuses it. */
  refuse(reason: string): void {
    const { typeUrl, nonce } = RESPONSE.decode(this.handed.at(-1) as Buffer) as unknown as PlayedResponse;
    this.taken.shift()?.();
    this.say({ typeUrl, responseNonce: nonce, errorDetail: { code: 3, message: reason } });
  }

  takeAll(): void {
    while (this.take() !== undefined);
  }

  covers(kind: ResourceKind, name: string): boolean {
    return this.wanted[kind].has('*') || this.wanted[kind].has(name);
  }

  /** What it should hold of what there is now. */
  readonly due = (kind: ResourceKind): Map<string, string> => {
    const { snapshot } = this.server;
    const everything = this.wanted[kind].has('*') ? snapshot.list(kind, this.namespace) : [];
    const named = [...this.wanted[kind]].flatMap((name) => snapshot.get(kind, name, this.namespace) ?? []);
    return new Map([...everything, ...named].map(({ name, version }) => [name, version]));
  };

  private read(): void {
    while (!this.paused) {
      const bytes = this.unread.shift();
      if (bytes === undefined) return;
      this.stream.receive(this.server.requests.read(bytes));
    }
  }
}

/** It has been told of everything, and holds what it wants of that. */
export function holdsWhatIsDue({ stream, held, due }: PlayedClient, server: PlayedServer): boolean {
  const inSync = PUSH_ORDER.every(
    (kind) => JSON.stringify(sorted(held[kind])) === JSON.stringify(sorted(due(kind))),
  );
  return inSync && stream.settled(server.snapshot.revision);
}

export const sorted = (map: ReadonlyMap<string, string>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
