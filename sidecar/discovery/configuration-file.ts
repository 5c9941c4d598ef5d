import { seal, unseal } from '../../src/lifecycle/sealed-file.js';
import type { ResourceKind } from '../../src/xds/resource-types.js';
import type { ReceivedResource } from './response-entries.js';
import { type Origin, UNKNOWN_ORIGIN } from './store-guard.js';

const KIND = 'roost-sidecar-configuration';
const FORMAT = 1;

/** Resources as they were received, by type. */
export type KeptResources = Readonly<Record<ResourceKind, ReadonlyMap<string, ReceivedResource>>>;

/** What a configuration file has. */
export interface StoredConfiguration {
  /** `checkout.shop`: whose sidecar wrote it. */
  readonly service: string;
  readonly origin: Origin;
  /** When the configuration last changed, in milliseconds since the epoch. */
  readonly changedAtMs: number;
  readonly resources: Readonly<Record<ResourceKind, readonly ReceivedResource[]>>;
}

/** What the file's first line says besides. */
type Facts = Pick<StoredConfiguration, 'service'> & Partial<Origin>;

/** Type, name, version and size of each resource, in the order in which their bytes follow. */
type Index = readonly (readonly [ResourceKind, string, string, number])[];

/** The file's content: the index as a line of JSON, then the resources' bytes, one after the other. */
export function encodeConfiguration(
  resources: KeptResources,
  { service, origin, changedAtMs }: Omit<StoredConfiguration, 'resources'>,
): Buffer {
  const all = (Object.keys(resources) as ResourceKind[]).flatMap((kind) =>
    [...resources[kind].values()].map((resource) => ({ kind, resource })),
  );
  const index: Index = all.map(({ kind, resource: { name, version, bytes } }) => [
    kind,
    name,
    version,
    bytes.length,
  ]);
  const line = Buffer.from(`${JSON.stringify(index)}\n`);
  const content = Buffer.concat([line, ...all.map(({ resource }) => resource.bytes)]);
  const at = new Date(changedAtMs).toISOString();
  return seal({ file: KIND, format: FORMAT, at }, { service, ...origin, resources: all.length }, content);
}

/** @throws DamagedFileError where it is not what was written; Error where it is of another version */
export function decodeConfiguration(file: Buffer): StoredConfiguration {
  const { seal: found, content } = unseal(KIND, file);
  if (found.format !== FORMAT)
    throw new Error(`is of format ${found.format}; this version reads and writes format ${FORMAT}`);
  const end = content.indexOf(0x0a);
  const resources: Record<ResourceKind, ReceivedResource[]> = {
    listener: [],
    route: [],
    cluster: [],
    endpoint: [],
  };
  let from = end + 1;
  for (const [kind, name, version, size] of JSON.parse(content.toString('utf8', 0, end)) as Index) {
    resources[kind].push({ name, version, bytes: content.subarray(from, from + size) });
    from += size;
  }
  // An older version wrote no origin, or no key.
  const { service, store, revision, sidecarKey } = { ...UNKNOWN_ORIGIN, ...(found as typeof found & Facts) };
  const origin = { store, revision, ...(sidecarKey !== undefined && { sidecarKey }) };
  return { service, origin, changedAtMs: Date.parse(found.at), resources };
}
