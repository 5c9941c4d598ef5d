import protobuf from 'protobufjs/light.js';
import { type ResourceKind, TYPE_URL } from '../../src/xds/resource-types.js';
import { field, type SnapshotResource } from '../snapshot/resource.js';

/**
 * Encodes discovery responses around resources that are encoded already. Field numbers are those of
 * `envoy/service/discovery/v3/discovery.proto`.
 */

/**
 * Responses that may be cut are cut at about this size, and a client is handed one at a time: so much is what a
 * client that does not read costs. gRPC clients refuse messages over 4 MiB by default.
 */
const MAX_RESPONSE_BYTES = 256 * 1024;

/** Numbers the responses of all streams, so that one that is the same for many clients has the same nonce. */
export class Nonces {
  private last = 0;

  next(): number {
    return ++this.last;
  }
}

interface Content {
  /** The names of the resources in it, those that it takes away included; `all`: what it leaves out is gone. */
  readonly names: readonly string[] | 'all';
  /** Of the configuration that it is made from. */
  readonly revision: number;
  /** False: no change of the configuration made it. */
  readonly revised: boolean;
  /** Everything but the nonce. */
  encode(): Buffer;
}

/** A response: encoded when it is first sent, and then the same bytes for every client that it is sent to. */
export class ResponseMessage {
  private encoded: Buffer | undefined;

  constructor(
    private readonly content: Content,
    readonly nonce: number,
  ) {}

  get names(): readonly string[] | 'all' {
    return this.content.names;
  }

  get revision(): number {
    return this.content.revision;
  }

  get revised(): boolean {
    return this.content.revised;
  }

  get bytes(): Buffer {
    this.encoded ??= withNonce(this.content.encode(), String(this.nonce));
    return this.encoded;
  }

  /** The same for a client that has had this one before. */
  again(nonce: number): ResponseMessage {
    return new ResponseMessage(this.content, nonce);
  }
}

export interface DeltaContent {
  readonly kind: ResourceKind;
  readonly resources: readonly SnapshotResource[];
  readonly removed: readonly string[];
  /** Of the configuration; told to people and logs as the version of all of it, which clients do not use. */
  readonly revision: number;
  /** False: no change of the configuration made it. */
  readonly revised: boolean;
}

export interface SotwContent {
  readonly kind: ResourceKind;
  readonly version: string;
  readonly revision: number;
  /** False: no change of the configuration made it. */
  readonly revised: boolean;
  readonly resources: readonly SnapshotResource[];
  /** The response must stay one: what it leaves out is gone. */
  readonly complete: boolean;
  /** Where it need not, each resource comes in one of its own. */
  readonly apart: boolean;
}

export function deltaResponses(
  { kind, resources, removed, revision, revised }: DeltaContent,
  nonces: Nonces,
): ResponseMessage[] {
  return batchesOf(resources, 'delta').map((batch, i) => {
    const gone = i === 0 ? removed : [];
    const encode = () => {
      const writer = protobuf.Writer.create().uint32(field(1)).string(String(revision));
      for (const { delta } of batch) writer.uint32(field(2)).bytes(delta);
      writer.uint32(field(4)).string(TYPE_URL[kind]);
      for (const name of gone) writer.uint32(field(6)).string(name);
      return Buffer.from(writer.finish());
    };
    const names = [...batch.map(({ name }) => name), ...gone];
    return new ResponseMessage({ names, revision, revised, encode }, nonces.next());
  });
}

export function sotwResponses(
  { kind, version, revision, revised, resources, complete, apart }: SotwContent,
  nonces: Nonces,
): ResponseMessage[] {
  const batches = complete ? [resources] : batchesOf(resources, 'any', apart ? 1 : MAX_RESPONSE_BYTES);
  return batches.map((batch) => {
    const encode = () => {
      const writer = protobuf.Writer.create().uint32(field(1)).string(version);
      for (const { any } of batch) writer.uint32(field(2)).bytes(any);
      writer.uint32(field(4)).string(TYPE_URL[kind]);
      return Buffer.from(writer.finish());
    };
    const names = complete ? 'all' : batch.map(({ name }) => name);
    return new ResponseMessage({ names, revision, revised, encode }, nonces.next());
  });
}

/** At least one batch, empty if need be. */
function batchesOf(
  resources: readonly SnapshotResource[],
  form: 'any' | 'delta',
  maxBytes = MAX_RESPONSE_BYTES,
): SnapshotResource[][] {
  const batches: SnapshotResource[][] = [[]];
  let size = 0;
  for (const resource of resources) {
    if (size > 0 && size + resource[form].length > maxBytes) {
      batches.push([]);
      size = 0;
    }
    batches.at(-1)?.push(resource);
    size += resource[form].length;
  }
  return batches;
}

/** Both kinds of response have their nonce in field 5. */
function withNonce(body: Buffer, nonce: string): Buffer {
  return Buffer.concat([body, protobuf.Writer.create().uint32(field(5)).string(nonce).finish()]);
}
