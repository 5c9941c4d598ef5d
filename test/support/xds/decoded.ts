import { decodeCluster } from '../../../src/xds/cluster.js';
import { codec } from '../../../src/xds/descriptors.js';
import { decodeAssignment } from '../../../src/xds/endpoint.js';
import { InvalidXdsError } from '../../../src/xds/fields.js';
import { decodeListener } from '../../../src/xds/listener.js';
import { messageNameOf, type ResourceKind } from '../../../src/xds/resource-types.js';
import { decodeRouteConfiguration } from '../../../src/xds/route.js';
import type { Carried } from './carriers.js';

/** What a sidecar decodes each kind with. */
export const DECODERS: Readonly<Record<ResourceKind, (bytes: Uint8Array) => object>> = {
  cluster: decodeCluster,
  endpoint: decodeAssignment,
  listener: decodeListener,
  route: decodeRouteConfiguration,
};

export function bytesOf({ kind, message }: Carried): Buffer {
  return codec(messageNameOf(kind)).encode(message);
}

/** What a sidecar makes of a resource, as text to compare. @throws InvalidXdsError where it refuses it */
export function decodedText(carried: Carried): string {
  return JSON.stringify(DECODERS[carried.kind](bytesOf(carried)), (_, value: unknown) => {
    if (value instanceof Set) return [...value];
    return value === Number.POSITIVE_INFINITY ? 'infinite' : value;
  });
}

/** Everything that a sidecar says against a resource; empty: it takes it. */
export function problemsOf(carried: Carried): readonly string[] {
  try {
    DECODERS[carried.kind](bytesOf(carried));
    return [];
  } catch (error) {
    if (error instanceof InvalidXdsError) return error.problems;
    throw error;
  }
}
