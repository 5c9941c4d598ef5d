import protobuf from 'protobufjs/light.js';
import { type Message, unpackAny } from '../../src/xds/descriptors.js';
import { message, messages, text } from '../../src/xds/fields.js';
import { PUSH_ORDER, type ResourceKind } from '../../src/xds/resource-types.js';
import type { NameChanges } from '../../src/xds/wanted-names.js';
import { AdsClient, perKind, type ReceivedResource, WILDCARD } from './ads-client.js';

interface TypeState {
  readonly names: Set<string>;
  /** What the newest complete response had; only where responses are complete. */
  held: ReadonlySet<string>;
  /** Of the last response that was accepted; outlives the stream. */
  version: string;
  /** Of the newest response on the present stream. */
  nonce: string;
  requested: boolean;
}

/**
 * State-of-the-world ADS (xDS protocol): every request has all names, and is an answer to the newest response.
 * Responses of listeners and clusters are complete, what they leave out is gone; those of routes and endpoints say
 * nothing of what they leave out.
 */
export class SotwClient extends AdsClient {
  protected override readonly method = 'StreamAggregatedResources';
  private readonly types = perKind<TypeState>(() => ({
    names: new Set(),
    held: new Set(),
    version: '',
    nonce: '',
    requested: false,
  }));
  /** The type whose response is being taken: the answer to it will have the names. */
  private answering: ResourceKind | undefined;

  override subscribe(kind: ResourceKind, changes: NameChanges): void {
    const { names } = this.types[kind];
    const added = changes.added.filter((name) => !names.has(name));
    const dropped = changes.dropped.filter((name) => names.has(name));
    if (added.length === 0 && dropped.length === 0) return;
    for (const name of added) names.add(name);
    for (const name of dropped) names.delete(name);
    this.status.wanted(kind, { added, dropped });
    if (this.isOpen && this.answering !== kind) this.request(kind);
  }

  /** The server sends everything anyway; what it leaves out of a complete response is gone. */
  protected override hold(kind: ResourceKind, resources: readonly ReceivedResource[]): void {
    if (isComplete(kind)) this.types[kind].held = new Set(resources.map(({ name }) => name));
  }

  protected override onOpened(): void {
    for (const kind of PUSH_ORDER) {
      const state = this.types[kind];
      state.nonce = '';
      state.requested = false;
      if (state.names.size > 0) this.request(kind);
    }
  }

  protected override receive(kind: ResourceKind, response: Message): void {
    const state = this.types[kind];
    const version = text(response.versionInfo);
    const resources = messages(response.resources).flatMap((any) => toReceived(any, version));
    const names = new Set(resources.map(({ name }) => name));
    const isGone = (name: string) => !names.has(name) && (state.names.has(name) || state.names.has(WILDCARD));
    const removed = isComplete(kind) ? [...state.held].filter(isGone) : [];
    if (isComplete(kind)) state.held = names;
    this.answering = kind;
    const answer = this.consume(
      kind,
      resources.filter(({ bytes }) => bytes !== HEARTBEAT),
      removed,
      repeated(resources),
    );
    this.answering = undefined;
    state.nonce = text(response.nonce);
    if (answer.errorDetail === undefined) state.version = version;
    this.request(kind, answer);
  }

  /** An empty list asks for nothing once a name was asked for; before, it would ask for everything. */
  private request(kind: ResourceKind, answer: object = {}): void {
    const state = this.types[kind];
    if (!state.requested && state.names.size === 0) return;
    state.requested = true;
    // The older form of the wildcard, which every server knows.
    const wildcardOnly = state.names.size === 1 && state.names.has(WILDCARD);
    this.send(kind, {
      resourceNames: wildcardOnly ? [] : [...state.names],
      versionInfo: state.version,
      responseNonce: state.nonce,
      ...answer,
    });
  }
}

function isComplete(kind: ResourceKind): boolean {
  return kind === 'listener' || kind === 'cluster';
}

const RESOURCE_TYPE = 'envoy.service.discovery.v3.Resource';
/** Stands for a resource that is only said to be there still. */
const HEARTBEAT = new Uint8Array();

/** A resource as it is, or wrapped with a time to live; a wrapper without content is a heartbeat. */
function toReceived(any: Message, version: string): ReceivedResource[] {
  const wrapper = unpackAny(any, RESOURCE_TYPE);
  if (wrapper !== undefined) {
    const bytes = message(wrapper.resource)?.value as Uint8Array | undefined;
    return [
      { name: text(wrapper.name), version: text(wrapper.version) || version, bytes: bytes ?? HEARTBEAT },
    ];
  }
  const bytes = (any.value as Uint8Array | undefined) ?? new Uint8Array();
  return [{ name: nameIn(bytes), version, bytes }];
}

/** Tag of field 1 as text, which in every resource type is the name. */
const NAME_TAG = (1 << 3) | 2;

/** The name in an encoded resource, without decoding the rest; empty where there is none or it is no message. */
function nameIn(bytes: Uint8Array): string {
  const reader = protobuf.Reader.create(bytes);
  try {
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === NAME_TAG) return reader.string();
      reader.skipType(tag & 7);
    }
  } catch {
    // Whoever decodes the whole of it says what is wrong with it.
  }
  return '';
}

/** A name that a response has twice makes it ambiguous. */
function repeated(resources: readonly ReceivedResource[]): { name: string; reason: string }[] {
  const seen = new Set<string>();
  return resources.flatMap(({ name }) => {
    if (seen.has(name)) return [{ name, reason: 'is in the response twice' }];
    seen.add(name);
    return [];
  });
}
