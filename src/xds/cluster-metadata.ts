import type { Message } from './descriptors.js';
import { message, messages, text } from './fields.js';

/** Key of our own entry in a cluster's metadata. */
const METADATA_KEY = 'roost';

/**
 * What our control plane means by a cluster, where Envoy's fields cannot say it:
 *
 * - `proportionalRing`: the ring's size is in proportion to the endpoints (`proportionalRingSize`);
 * - `retryReserve`: `min_retry_concurrency` is also a rate (`RetryReserve`).
 *
 * Besides these: where endpoints may be, and most requests in flight at one endpoint, for which Envoy has a field that
 * it refuses.
 */
const PROMISES = ['proportionalRing', 'retryReserve'] as const;

export function hasPromise(cluster: Message, promise: (typeof PROMISES)[number]): boolean {
  return message(ourFields(cluster)?.[promise])?.boolValue === true;
}

function ourFields(cluster: Message): Message | undefined {
  const ours = message(message(message(cluster.metadata)?.filterMetadata)?.[METADATA_KEY]);
  return message(ours?.fields);
}

/** Bounds on where a cluster's endpoints may be: who configures it speaks for one namespace. */
export interface Confinement {
  /** Of the service. */
  readonly namespace: string;
  /** Endpoints and DNS names that may be anywhere, as written. */
  readonly approved: ReadonlySet<string>;
}

/**
 * `envoy.config.core.v3.Metadata` that says all of it.
 *
 * @param perEndpointRequests undefined: any number
 */
export function ourClusterMetadata(
  confinement: Confinement | undefined,
  perEndpointRequests?: number,
): object {
  if (confinement === undefined && perEndpointRequests === undefined) return PROMISES_ALONE;
  const limit =
    perEndpointRequests === undefined ? {} : { perEndpointRequests: { numberValue: perEndpointRequests } };
  const fields = { ...PROMISED, ...(confinement && confinementFields(confinement)), ...limit };
  return { filterMetadata: { [METADATA_KEY]: { fields } } };
}

function confinementFields({ namespace, approved }: Confinement): object {
  const values = [...approved].map((stringValue) => ({ stringValue }));
  return { confinedTo: { stringValue: namespace }, approved: { listValue: { values } } };
}

/** Undefined: what Envoy's field says. */
export function readPerEndpointRequests(cluster: Message): number | undefined {
  const value = message(ourFields(cluster)?.perEndpointRequests)?.numberValue;
  return typeof value === 'number' && value >= 0 ? value : undefined;
}

const PROMISED = Object.fromEntries(PROMISES.map((name) => [name, { boolValue: true }]));
const PROMISES_ALONE: object = { filterMetadata: { [METADATA_KEY]: { fields: PROMISED } } };

/** Undefined: endpoints may be anywhere. */
export function readConfinement(cluster: Message): Confinement | undefined {
  const fields = ourFields(cluster);
  const namespace = text(message(fields?.confinedTo)?.stringValue);
  if (namespace === '') return undefined;
  const values = messages(message(message(fields?.approved)?.listValue)?.values);
  return { namespace, approved: new Set(values.map(({ stringValue }) => text(stringValue))) };
}
