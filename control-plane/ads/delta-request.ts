import protobuf from 'protobufjs/light.js';
import { codec, type Message } from '../../src/xds/descriptors.js';

/**
 * A `DeltaDiscoveryRequest` (`envoy/service/discovery/v3/discovery.proto`) as the server needs it. Nearly all that
 * come are acknowledgements, which name nothing; those that do name something are, in a large fleet, the same as
 * other clients' to the byte, so that each is decoded once for all of them.
 */
export interface DeltaRequest {
  readonly [field: string]: unknown;
  readonly node: Message | undefined;
  readonly typeUrl: string;
  readonly responseNonce: string;
  readonly errorDetail: Message | undefined;
  readonly lists: RequestLists;
}

/** What a request names. The same object for the same bytes, for as long as they are remembered. */
export interface RequestLists {
  /** Tells it from all others. */
  readonly id: number;
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** Version by name of what the client has from an earlier stream. */
  readonly held: ReadonlyMap<string, string>;
}

const NO_NAMES: readonly string[] = [];
export const NO_LISTS: RequestLists = {
  id: 0,
  subscribe: NO_NAMES,
  unsubscribe: NO_NAMES,
  held: new Map(),
};

const FIELD = {
  node: 1,
  typeUrl: 2,
  subscribe: 3,
  unsubscribe: 4,
  held: 5,
  responseNonce: 6,
  errorDetail: 7,
} as const;

const LENGTH_DELIMITED = 2;

/** What is remembered; of more, what was met longest ago is forgotten. */
const MAX_REMEMBERED = 256;
/** The same of all together, as it came. */
const MAX_REMEMBERED_BYTES = 32 * 1024 * 1024;

const REQUEST = codec('envoy.service.discovery.v3.DeltaDiscoveryRequest');
const NODE = codec('envoy.config.core.v3.Node');
const STATUS = codec('google.rpc.Status');

interface Remembered {
  readonly bytes: Buffer;
  readonly lists: RequestLists;
}

/** Reads requests, and remembers what the latest of them named. */
export class DeltaRequests {
  /** Most recently used first. */
  private readonly remembered: Remembered[] = [];
  private rememberedBytes = 0;
  private count = 0;

  /** @throws Error on what is no such message */
  read(bytes: Buffer): DeltaRequest {
    const reader = protobuf.Reader.create(bytes);
    let node: Message | undefined;
    let errorDetail: Message | undefined;
    let typeUrl = '';
    let responseNonce = '';
    let listsStart = -1;
    let listsEnd = -1;
    while (reader.pos < reader.len) {
      const start = reader.pos;
      const tag = reader.uint32();
      const field = (tag & 7) === LENGTH_DELIMITED ? tag >>> 3 : 0;
      if (field === FIELD.typeUrl) typeUrl = reader.string();
      else if (field === FIELD.responseNonce) responseNonce = reader.string();
      else if (field === FIELD.node && node === undefined) node = NODE.decode(reader.bytes());
      else if (field === FIELD.errorDetail && errorDetail === undefined)
        errorDetail = STATUS.decode(reader.bytes());
      else if (field >= FIELD.subscribe && field <= FIELD.held) {
        reader.skipType(LENGTH_DELIMITED);
        if (listsStart === -1) listsStart = start;
        else if (start !== listsEnd) return this.readWhole(bytes);
        listsEnd = reader.pos;
      } else if (field === FIELD.node || field === FIELD.errorDetail) return this.readWhole(bytes);
      else reader.skipType(tag & 7);
    }
    const lists = listsStart === -1 ? NO_LISTS : this.listsIn(bytes.subarray(listsStart, listsEnd));
    return { node, typeUrl, responseNonce, errorDetail, lists };
  }

  private listsIn(bytes: Buffer): RequestLists {
    const at = this.remembered.findIndex(
      (entry) => entry.bytes.length === bytes.length && entry.bytes.equals(bytes),
    );
    if (at === -1) return this.remember(bytes);
    const [found] = this.remembered.splice(at, 1) as [Remembered];
    this.remembered.unshift(found);
    return found.lists;
  }

  private remember(bytes: Buffer): RequestLists {
    const lists = this.decodeLists(bytes);
    // A copy: what was received may be a part of something larger.
    this.remembered.unshift({ bytes: Buffer.from(bytes), lists });
    this.rememberedBytes += bytes.length;
    while (this.remembered.length > MAX_REMEMBERED || this.rememberedBytes > MAX_REMEMBERED_BYTES)
      this.rememberedBytes -= this.remembered.pop()?.bytes.length ?? 0;
    return lists;
  }

  /** Fields in an order that no known client writes them in, or one in two pieces. */
  private readWhole(bytes: Buffer): DeltaRequest {
    const whole = REQUEST.decode(bytes) as Partial<DeltaRequest>;
    const { node, typeUrl = '', responseNonce = '', errorDetail } = whole;
    return { node, typeUrl, responseNonce, errorDetail, lists: this.decodeLists(bytes) };
  }

  /** @param bytes may have other fields as well */
  private decodeLists(bytes: Buffer): RequestLists {
    const decoded = REQUEST.decode(bytes);
    return {
      id: ++this.count,
      subscribe: decoded.resourceNamesSubscribe as readonly string[],
      unsubscribe: decoded.resourceNamesUnsubscribe as readonly string[],
      held: new Map(Object.entries(decoded.initialResourceVersions as Readonly<Record<string, string>>)),
    };
  }
}
