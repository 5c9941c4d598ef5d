import protobuf from 'protobufjs/light.js';
import { type ResourceKind, TYPE_URL } from '../../src/xds/resource-types.js';
import { field, type SnapshotResource } from '../snapshot/resource.js';

/**
 * Encodes discovery responses around resources that are encoded already. Field numbers are those of
 * `envoy/service/discovery/v3/discovery.proto`.
 */

/** Delta responses are cut at about this size; gRPC clients refuse messages over 4 MiB by default. */
const MAX_RESPONSE_BYTES = 1024 * 1024;

export interface DeltaContent {
  readonly kind: ResourceKind;
  readonly resources: readonly SnapshotResource[];
  readonly removed: readonly string[];
  /** For people and logs; clients do not use it. */
  readonly systemVersion: string;
}

/** A body that several clients can share; each adds its own nonce. Cut into as many as the size asks for. */
export function encodeDeltaBodies(content: DeltaContent): Buffer[] {
  const batches: SnapshotResource[][] = [[]];
  let size = 0;
  for (const resource of content.resources) {
    if (size > 0 && size + resource.delta.length > MAX_RESPONSE_BYTES) {
      batches.push([]);
      size = 0;
    }
    batches.at(-1)?.push(resource);
    size += resource.delta.length;
  }
  return batches.map((batch, i) =>
    encodeDeltaBody({ ...content, resources: batch, removed: i === 0 ? content.removed : [] }),
  );
}

function encodeDeltaBody({ kind, resources, removed, systemVersion }: DeltaContent): Buffer {
  const writer = protobuf.Writer.create().uint32(field(1)).string(systemVersion);
  for (const { delta } of resources) writer.uint32(field(2)).bytes(delta);
  writer.uint32(field(4)).string(TYPE_URL[kind]);
  for (const name of removed) writer.uint32(field(6)).string(name);
  return Buffer.from(writer.finish());
}

export function encodeSotwBody(
  kind: ResourceKind,
  version: string,
  resources: readonly SnapshotResource[],
): Buffer {
  const writer = protobuf.Writer.create().uint32(field(1)).string(version);
  for (const { any } of resources) writer.uint32(field(2)).bytes(any);
  writer.uint32(field(4)).string(TYPE_URL[kind]);
  return Buffer.from(writer.finish());
}

/** Both kinds of response have their nonce in field 5. */
export function withNonce(body: Buffer, nonce: string): Buffer {
  return Buffer.concat([body, protobuf.Writer.create().uint32(field(5)).string(nonce).finish()]);
}
