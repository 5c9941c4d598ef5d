import protobuf from 'protobufjs/light.js';
import { type ResourceKind, TYPE_URL } from '../../src/xds/resource-types.js';
import { field, type SnapshotResource } from '../snapshot/resource.js';

/**
 * Encodes discovery responses around resources that are encoded already. Field numbers are those of
 * `envoy/service/discovery/v3/discovery.proto`.
 */

/** Responses that may be cut are cut at about this size; gRPC clients refuse messages over 4 MiB by default. */
const MAX_RESPONSE_BYTES = 1024 * 1024;

/** A response but for its nonce, and the names of the resources in it, those that it takes away included. */
export interface ResponseBody {
  readonly bytes: Buffer;
  readonly names: readonly string[];
}

export interface DeltaContent {
  readonly kind: ResourceKind;
  readonly resources: readonly SnapshotResource[];
  readonly removed: readonly string[];
  /** For people and logs; clients do not use it. */
  readonly systemVersion: string;
}

export interface SotwContent {
  readonly kind: ResourceKind;
  readonly version: string;
  readonly resources: readonly SnapshotResource[];
  /** The response must stay one: what it leaves out is gone. */
  readonly complete: boolean;
  /** Where it need not, each resource comes in one of its own. */
  readonly apart: boolean;
}

export function encodeDeltaBodies({ kind, resources, removed, systemVersion }: DeltaContent): ResponseBody[] {
  return batchesOf(resources, 'delta').map((batch, i) => {
    const gone = i === 0 ? removed : [];
    const writer = protobuf.Writer.create().uint32(field(1)).string(systemVersion);
    for (const { delta } of batch) writer.uint32(field(2)).bytes(delta);
    writer.uint32(field(4)).string(TYPE_URL[kind]);
    for (const name of gone) writer.uint32(field(6)).string(name);
    return { bytes: Buffer.from(writer.finish()), names: [...batch.map(({ name }) => name), ...gone] };
  });
}

export function encodeSotwBodies({ kind, version, resources, complete, apart }: SotwContent): ResponseBody[] {
  const batches = complete ? [resources] : batchesOf(resources, 'any', apart ? 1 : MAX_RESPONSE_BYTES);
  return batches.map((batch) => {
    const writer = protobuf.Writer.create().uint32(field(1)).string(version);
    for (const { any } of batch) writer.uint32(field(2)).bytes(any);
    writer.uint32(field(4)).string(TYPE_URL[kind]);
    return { bytes: Buffer.from(writer.finish()), names: batch.map(({ name }) => name) };
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
export function withNonce(body: Buffer, nonce: string): Buffer {
  return Buffer.concat([body, protobuf.Writer.create().uint32(field(5)).string(nonce).finish()]);
}
