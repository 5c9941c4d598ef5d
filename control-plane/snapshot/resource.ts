import { createHash } from 'node:crypto';
import protobuf from 'protobufjs/light.js';
import { type ResourceKind, TYPE_URL } from '../../src/xds/resource-types.js';
import type { EncodedResource } from '../translate/service.js';

/** One resource of a snapshot, encoded once in each form that goes over the wire. Immutable. */
export interface SnapshotResource {
  readonly kind: ResourceKind;
  readonly name: string;
  /** A digest of the content: every replica that serves this content gives it this version. */
  readonly version: string;
  /** The message itself, which ends {@link any}. */
  readonly content: Uint8Array;
  /** `google.protobuf.Any`, for state-of-the-world responses. */
  readonly any: Buffer;
  /** `envoy.service.discovery.v3.Resource`, for delta responses. */
  readonly delta: Buffer;
}

const VERSION_LENGTH = 16;

export function snapshotResource({ kind, name, bytes }: EncodedResource): SnapshotResource {
  const version = versionOf(bytes);
  const any = finish(
    protobuf.Writer.create().uint32(field(1)).string(TYPE_URL[kind]).uint32(field(2)).bytes(bytes),
  );
  // Resource: version = 1, resource = 2, name = 3.
  const delta = finish(
    protobuf.Writer.create()
      .uint32(field(1))
      .string(version)
      .uint32(field(2))
      .bytes(any)
      .uint32(field(3))
      .string(name),
  );
  return { kind, name, version, content: any.subarray(any.length - bytes.length), any, delta };
}

/** A digest of content. */
export function versionOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url').slice(0, VERSION_LENGTH);
}

/**
 * Route configurations made into one with the virtual hosts of all. Protobuf messages written one after the other
 * read as one: lists follow each other, and of a field that occurs again the last counts, which is the name here
 * (protobuf encoding, "Last One Wins").
 */
export function mergeRoutes(name: string, parts: readonly SnapshotResource[]): SnapshotResource {
  const named = finish(protobuf.Writer.create().uint32(field(1)).string(name));
  return snapshotResource({
    kind: 'route',
    name,
    bytes: Buffer.concat([...parts.map(({ content }) => content), named]),
  });
}

/** One version for several resources together: a digest of their names and versions, in whatever order. */
export function versionOfAll(resources: readonly SnapshotResource[]): string {
  const hash = createHash('sha256');
  const lines = resources.map(({ name, version }) => `${name} ${version}\n`);
  for (const line of lines.sort()) hash.update(line);
  return hash.digest('base64url').slice(0, VERSION_LENGTH);
}

/** Tag of a length-delimited protobuf field. */
export function field(number: number): number {
  return (number << 3) | 2;
}

function finish(writer: protobuf.Writer): Buffer {
  return Buffer.from(writer.finish());
}
