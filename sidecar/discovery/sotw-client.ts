import { type Message, unpackAny } from '../../src/xds/descriptors.js';
import { messages, text } from '../../src/xds/fields.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import { AdsClient, perKind } from './ads-client.js';
import { WILDCARD } from './held-resources.js';
import { bytesOf, type Entry, nameIn, readWrapper } from './response-entries.js';

interface TypeState {
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
  private readonly types = perKind<TypeState>(() => ({ version: '', nonce: '', requested: false }));
  /** The type whose response is being taken: the answer to it will have the names. */
  private answering: ResourceKind | undefined;

  protected override onOpened(kind: ResourceKind): void {
    const state = this.types[kind];
    state.nonce = '';
    state.requested = false;
    if (this.held[kind].wanted.size > 0) this.request(kind);
  }

  protected override onNames(kind: ResourceKind): void {
    if (this.answering !== kind) this.request(kind);
  }

  protected override receive(kind: ResourceKind, response: Message): void {
    const state = this.types[kind];
    const version = text(response.versionInfo);
    const entries = messages(response.resources).map((any) => readEntry(any, version));
    const names = new Set(entries.map(({ name }) => name));
    const before = isComplete(kind) ? [...this.held[kind].versions.keys()] : [];
    this.answering = kind;
    const answer = this.consume(
      kind,
      entries,
      before.filter((name) => !names.has(name)),
    );
    this.answering = undefined;
    state.nonce = text(response.nonce);
    if (answer.errorDetail === undefined) state.version = version;
    this.request(kind, answer);
  }

  /** An empty list asks for nothing once a name was asked for; before, it would ask for everything. */
  private request(kind: ResourceKind, answer: object = {}): void {
    const state = this.types[kind];
    const { wanted } = this.held[kind];
    if (!state.requested && wanted.size === 0) return;
    state.requested = true;
    // The older form of the wildcard, which every server knows.
    const wildcardOnly = wanted.size === 1 && wanted.has(WILDCARD);
    this.send(kind, {
      resourceNames: wildcardOnly ? [] : [...wanted],
      versionInfo: state.version,
      responseNonce: state.nonce,
      ...answer,
    });
  }
}

function isComplete(kind: ResourceKind): boolean {
  return kind === 'listener' || kind === 'cluster';
}

const WRAPPER_TYPE = 'envoy.service.discovery.v3.Resource';

/** A resource as it is, or wrapped with a time to live; a wrapper without content is a heartbeat. */
function readEntry(any: Message, version: string): Entry {
  const wrapper = unpackAny(any, WRAPPER_TYPE);
  if (wrapper === undefined) return { name: nameIn(bytesOf(any)), version, any, ttlMs: undefined };
  const entry = readWrapper(wrapper);
  return entry.version === '' ? { ...entry, version } : entry;
}
