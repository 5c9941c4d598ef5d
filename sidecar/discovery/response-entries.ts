import protobuf from 'protobufjs/light.js';
import { anyTypeName, type Message } from '../../src/xds/descriptors.js';
import { durationMs, message, text } from '../../src/xds/fields.js';
import { messageNameOf, type ResourceKind } from '../../src/xds/resource-types.js';

/** One resource of a response. */
export interface ReceivedResource {
  readonly name: string;
  readonly version: string;
  readonly bytes: Uint8Array;
  /** It is gone when nothing is heard of it for so long; undefined: it stays. */
  readonly ttlMs?: number | undefined;
}

/** Says of a resource that it is there still, and for how much longer (xDS protocol, "Resource TTL"). */
export interface Heartbeat {
  readonly name: string;
  readonly ttlMs: number | undefined;
}

/** A resource that cannot be used, and everything that is wrong with it. */
export interface RefusedResource {
  readonly name: string;
  readonly reason: string;
}

/** What a response holds, before anybody has looked into its resources. */
export interface ResponseContent {
  readonly resources: readonly ReceivedResource[];
  readonly heartbeats: readonly Heartbeat[];
  /** Entries that no resource can be made of. */
  readonly refused: readonly RefusedResource[];
}

/** One entry of a response. */
export interface Entry {
  readonly name: string;
  readonly version: string;
  /** `google.protobuf.Any`; undefined: a heartbeat. */
  readonly any: Message | undefined;
  readonly ttlMs: number | undefined;
}

/** Reads an `envoy.service.discovery.v3.Resource`: delta's form of entries, and what a time to live comes in. */
export function readWrapper(raw: Message): Entry {
  const ttlMs = durationMs(raw.ttl);
  return {
    name: text(raw.name),
    version: text(raw.version),
    any: message(raw.resource),
    ttlMs: ttlMs === undefined ? undefined : Math.max(0, ttlMs),
  };
}

/**
 * Sorts a response's entries. What contradicts itself is refused: a name that comes twice, a resource of another type
 * than the response's, one that calls itself otherwise than the response does. What was not asked for is left out, as
 * the protocol says.
 */
export function readEntries(
  kind: ResourceKind,
  entries: readonly Entry[],
  isWanted: (name: string) => boolean,
): ResponseContent {
  const resources: ReceivedResource[] = [];
  const heartbeats: Heartbeat[] = [];
  const refused: RefusedResource[] = [];
  const twice = repeated(entries);
  for (const name of twice) refused.push({ name, reason: 'is in the response twice' });
  for (const { name, version, any, ttlMs } of entries) {
    if (twice.has(name) || !isWanted(name)) continue;
    if (any === undefined) {
      heartbeats.push({ name, ttlMs });
      continue;
    }
    const bytes = bytesOf(any);
    const reason = contradiction(kind, name, any, bytes);
    if (reason === undefined) resources.push({ name, version, bytes, ttlMs });
    else refused.push({ name, reason });
  }
  return { resources, heartbeats, refused };
}

function contradiction(
  kind: ResourceKind,
  name: string,
  any: Message,
  bytes: Uint8Array,
): string | undefined {
  const expected = messageNameOf(kind);
  if (anyTypeName(any) !== expected) return `is a ${anyTypeName(any)}, in a response of ${expected}`;
  const own = nameIn(bytes);
  return own === name ? undefined : `calls itself "${own}"`;
}

function repeated(entries: readonly Entry[]): Set<string> {
  const seen = new Set<string>();
  return new Set(
    entries.flatMap(({ name }) => {
      const again = seen.has(name);
      seen.add(name);
      return again ? [name] : [];
    }),
  );
}

export function bytesOf(any: Message): Uint8Array {
  return (any.value as Uint8Array | undefined) ?? new Uint8Array();
}

/** Tag of field 1 as text, which in every resource type is the name. */
const NAME_TAG = (1 << 3) | 2;

/** The name in an encoded resource, without decoding the rest; empty where there is none or it is no message. */
export function nameIn(bytes: Uint8Array): string {
  const reader = protobuf.Reader.create(bytes);
  let name = '';
  try {
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      // Of a field that occurs again, the last counts.
      if (tag === NAME_TAG) name = reader.string();
      else reader.skipType(tag & 7);
    }
  } catch {
    // The decoder of the whole response says what is wrong with it.
  }
  return name;
}
