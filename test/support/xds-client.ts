import { Client, type ClientDuplexStream, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';

import { codec, type Message, serviceDefinition } from '../../src/xds/descriptors.js';
import { message, messages, text } from '../../src/xds/fields.js';
import {
  ADS_SERVICE,
  kindOfTypeUrl,
  messageNameOf,
  type ResourceKind,
  TYPE_URL,
} from '../../src/xds/resource-types.js';
import type { Owner } from './owner.js';

/** A response as a test looks at it. */
export interface XdsResponse {
  readonly kind: ResourceKind;
  readonly nonce: string;
  /** State of the world only. */
  readonly version: string;
  /** In the order of the response. */
  readonly names: readonly string[];
  /** Delta only. */
  readonly removed: readonly string[];
  /** Delta only: each resource's version. */
  readonly versions: Readonly<Record<string, string>>;
  /** The decoded resources, by name. */
  readonly resources: Readonly<Record<string, Message>>;
}

export interface XdsClientOptions {
  /** Metadata of the node. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly id?: string;
  readonly agent?: string;
  /** Sent as a bearer token. */
  readonly token?: string;
}

const TIMEOUT_MS = 60_000;
/** How long a server is given to say something that it should not say. */
const SILENCE_MS = 80;

/** A client that sends exactly what a test tells it to, and shows exactly what comes back. */
export class XdsClient {
  readonly responses: XdsResponse[] = [];
  /** Set once the server has ended the stream. */
  ended: ServiceError | 'ended' | undefined;
  private read = 0;
  private nodeSent = false;
  private wake: () => void = () => {};

  private constructor(
    readonly stream: ClientDuplexStream<object, Message>,
    private readonly client: Client,
    private readonly node: object,
  ) {
    stream.on('data', (raw: Message) => {
      this.responses.push(readResponse(raw));
      this.wake();
    });
    stream.on('error', (error: ServiceError) => this.end(error));
    stream.on('end', () => this.end('ended'));
  }

  static delta(t: Owner, address: string, options: XdsClientOptions = {}): XdsClient {
    return XdsClient.open(t, address, 'DeltaAggregatedResources', options);
  }

  static sotw(t: Owner, address: string, options: XdsClientOptions = {}): XdsClient {
    return XdsClient.open(t, address, 'StreamAggregatedResources', options);
  }

  private static open(t: Owner, address: string, method: string, options: XdsClientOptions): XdsClient {
    const { path, requestSerialize, responseDeserialize } = serviceDefinition(ADS_SERVICE)[method] as {
      path: string;
      requestSerialize: (value: object) => Buffer;
      responseDeserialize: (bytes: Buffer) => Message;
    };
    // One connection each, as clients of different processes have.
    const client = new Client(address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
    });
    const metadata = new Metadata();
    if (options.token !== undefined) metadata.set('authorization', `Bearer ${options.token}`);
    const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata);
    const opened = new XdsClient(stream, client, nodeOf(options));
    t.teardown(() => opened.close());
    return opened;
  }

  /** Sends a request; the node goes with the first one only. */
  send(kind: ResourceKind | string, fields: object = {}): void {
    const node = this.nodeSent ? {} : { node: this.node };
    this.nodeSent = true;
    this.stream.write({ ...node, typeUrl: TYPE_URL[kind as ResourceKind] ?? kind, ...fields });
  }

  subscribe(kind: ResourceKind, ...names: string[]): void {
    this.send(kind, { resourceNamesSubscribe: names });
  }

  unsubscribe(kind: ResourceKind, ...names: string[]): void {
    this.send(kind, { resourceNamesUnsubscribe: names });
  }

  ack({ kind, nonce, version }: XdsResponse, fields: object = {}): void {
    this.send(kind, { responseNonce: nonce, ...(version === '' ? {} : { versionInfo: version }), ...fields });
  }

  nack(response: XdsResponse, reason: string, fields: object = {}): void {
    this.ack(response, { errorDetail: { code: 3, message: reason }, ...fields });
  }

  /** The next response, of this kind if one is named. */
  async next(kind?: ResourceKind): Promise<XdsResponse> {
    const deadline = Date.now() + TIMEOUT_MS;
    while (this.read === this.responses.length) {
      if (this.ended !== undefined) throw new Error(`the stream is over: ${String(this.ended)}`);
      if (Date.now() > deadline) throw new Error(`no ${kind ?? ''} response in time`);
      await this.change();
    }
    const response = this.responses[this.read++] as XdsResponse;
    if (kind !== undefined && response.kind !== kind)
      throw new Error(`expected a ${kind} response, got ${response.kind}: ${response.names.join(', ')}`);
    return response;
  }

  /** Fails if the server says anything. */
  async silence(ms = SILENCE_MS): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ms));
    const unexpected = this.responses[this.read];
    if (unexpected !== undefined)
      throw new Error(
        `unexpected ${unexpected.kind} response: ${unexpected.names.join(', ')}; removed: ${unexpected.removed.join(', ')}`,
      );
  }

  /** Waits for the end of the stream. @returns its status code; 0: ended in good order */
  async over(): Promise<number> {
    while (this.ended === undefined) await this.change();
    return this.ended === 'ended' ? 0 : this.ended.code;
  }

  close(): void {
    this.stream.cancel();
    this.client.close();
  }

  private end(how: ServiceError | 'ended'): void {
    // The status arrives as an error after the end of the data.
    if (this.ended === undefined || how !== 'ended') this.ended = how;
    this.wake();
  }

  private change(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, 250);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function nodeOf({ metadata = {}, id = 'test-client', agent = 'test' }: XdsClientOptions): object {
  const fields = Object.entries(metadata).map(([name, value]) => [name, { stringValue: value }]);
  return { id, userAgentName: agent, metadata: { fields: Object.fromEntries(fields) } };
}

function readResponse(raw: Message): XdsResponse {
  const kind = kindOfTypeUrl(text(raw.typeUrl));
  if (kind === undefined) throw new Error(`a response of type ${String(raw.typeUrl)}`);
  const entries = messages(raw.resources).map((entry) => {
    // Delta wraps each Any in a Resource, which has the name.
    const wrapped = message(entry.resource);
    const any = wrapped ?? entry;
    const resource = codec(messageNameOf(kind)).decode((any.value as Uint8Array) ?? new Uint8Array());
    const own = text(kind === 'endpoint' ? resource.clusterName : resource.name);
    return { name: wrapped ? text(entry.name) : own, version: text(entry.version), resource };
  });
  return {
    kind,
    nonce: text(raw.nonce),
    version: text(raw.versionInfo),
    names: entries.map(({ name }) => name),
    removed: (raw.removedResources as string[] | undefined) ?? [],
    versions: Object.fromEntries(entries.map(({ name, version }) => [name, version])),
    resources: Object.fromEntries(entries.map(({ name, resource }) => [name, resource])),
  };
}
