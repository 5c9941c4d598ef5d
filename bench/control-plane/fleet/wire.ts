import { codec } from '../../../src/xds/descriptors.js';
import { PUSH_ORDER, type ResourceKind, TYPE_URL } from '../../../src/xds/resource-types.js';

/**
 * Just enough of delta discovery messages to take part in the protocol, so that thousands of simulated sidecars in
 * one process leave the time to the control plane. Field numbers are those of
 * `envoy/service/discovery/v3/discovery.proto`.
 */

/** What a simulated sidecar looks at in a `DeltaDiscoveryResponse`. */
export interface ResponseOutline {
  readonly kind: ResourceKind;
  /** `system_version_info`, which our control plane numbers. */
  readonly revision: number;
  readonly nonce: Buffer;
  readonly resources: number;
  readonly removed: number;
}

const FIELD = { systemVersion: 1, resources: 2, typeUrl: 4, nonce: 5, removed: 6 } as const;
const LENGTH_DELIMITED = 2;

const TYPE_URLS = PUSH_ORDER.map((kind) => [kind, Buffer.from(TYPE_URL[kind])] as const);

/** @throws Error on what is no such response */
export function outlineOf(bytes: Buffer): ResponseOutline {
  let kind: ResourceKind | undefined;
  let revision = 0;
  let nonce: Buffer | undefined;
  let resources = 0;
  let removed = 0;
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at++] as number;
    if ((tag & 7) !== LENGTH_DELIMITED) throw new Error(`a field of wire type ${tag & 7} in a response`);
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] as number;
      length |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    const end = at + length;
    switch (tag >> 3) {
      case FIELD.systemVersion:
        revision = Number(bytes.toString('latin1', at, end));
        break;
      case FIELD.resources:
        resources++;
        break;
      case FIELD.typeUrl:
        kind = kindAt(bytes, at, end);
        break;
      case FIELD.nonce:
        nonce = bytes.subarray(at, end);
        break;
      case FIELD.removed:
        removed++;
        break;
    }
    at = end;
  }
  if (kind === undefined || nonce === undefined) throw new Error('a response without a type or a nonce');
  return { kind, revision, nonce, resources, removed };
}

function kindAt(bytes: Buffer, start: number, end: number): ResourceKind | undefined {
  return TYPE_URLS.find(([, url]) => url.length === end - start && url.compare(bytes, start, end) === 0)?.[0];
}

const REQUEST = codec('envoy.service.discovery.v3.DeltaDiscoveryRequest');

export function encodeRequest(fields: object): Buffer {
  return REQUEST.encode(fields);
}

const ACK_HEAD = Object.fromEntries(
  PUSH_ORDER.map((kind) => [kind, encodeRequest({ typeUrl: TYPE_URL[kind] })]),
) as Record<ResourceKind, Buffer>;

/** `DeltaDiscoveryRequest.response_nonce` is field 6. */
const NONCE_TAG = (6 << 3) | LENGTH_DELIMITED;

/** A request that accepts a response, and nothing else. */
export function encodeAck({ kind, nonce }: ResponseOutline): Buffer {
  const head = ACK_HEAD[kind];
  const ack = Buffer.allocUnsafe(head.length + 2 + nonce.length);
  head.copy(ack);
  ack[head.length] = NONCE_TAG;
  ack[head.length + 1] = nonce.length;
  nonce.copy(ack, head.length + 2);
  return ack;
}
