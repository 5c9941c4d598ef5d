import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { type EncodedResource, translateService } from '../../../../control-plane/translate/service.js';
import { parseMeshService } from '../../../../src/model/mesh-service.js';
import { decodeCluster } from '../../../../src/xds/cluster.js';
import { codec, type Message } from '../../../../src/xds/descriptors.js';
import { decodeAssignment } from '../../../../src/xds/endpoint.js';
import { decodeListener } from '../../../../src/xds/listener.js';
import { messageNameOf, type ResourceKind } from '../../../../src/xds/resource-types.js';
import { decodeRouteConfiguration } from '../../../../src/xds/route.js';

/**
 * Golden files: `golden/NAME.in.yaml` is a MeshService, `golden/NAME.out.yaml` beside it every resource that it
 * becomes, read back from the bytes on the wire. `UPDATE_GOLDEN=1` writes the outputs anew; read the difference.
 */
const folder = fileURLToPath(
  new URL('../../../../../test/unit/control-plane/translate/golden/', import.meta.url),
);
const update = process.env.UPDATE_GOLDEN === '1';

const context = {
  pinSecret: Buffer.from('a secret of the mesh, for tests.'),
  incarnation: (_: unknown, release: string) => (release === 'v2' ? '7' : '1'),
};

/** Decodes what every sidecar decodes; throws where a sidecar would refuse the resource. */
const DECODERS: Readonly<Record<ResourceKind, (bytes: Uint8Array) => object>> = {
  cluster: decodeCluster,
  endpoint: decodeAssignment,
  listener: decodeListener,
  route: decodeRouteConfiguration,
};

for (const file of readdirSync(folder).filter((name) => name.endsWith('.in.yaml'))) {
  const name = file.replace('.in.yaml', '');
  t.test(`${name}: becomes what its golden file says, and no sidecar refuses it`, async (t) => {
    const service = parseMeshService(parse(readFileSync(join(folder, file), 'utf8')));
    const { shared, localRoutes, foreignRoutes } = translateService(service, context);
    for (const { kind, bytes } of [...shared, localRoutes, foreignRoutes]) DECODERS[kind](bytes);
    const [foreign] = readable(foreignRoutes).virtualHosts as [{ domains: string[] }];
    const found = {
      ...Object.fromEntries(
        [...shared, localRoutes].map((resource) => [`${resource.kind} ${resource.name}`, readable(resource)]),
      ),
      'domains for other namespaces': foreign.domains,
    };
    const goldenFile = join(folder, `${name}.out.yaml`);
    const text = stringify(found, { aliasDuplicateObjects: false, lineWidth: 0 });
    if (update) writeFileSync(goldenFile, text);
    t.ok(existsSync(goldenFile), 'run once with UPDATE_GOLDEN=1');
    t.same(parse(text), parse(readFileSync(goldenFile, 'utf8')));
    t.same(
      { ...readable(foreignRoutes), virtualHosts: [] },
      { ...readable(localRoutes), virtualHosts: [] },
      'for other namespaces only the domains differ',
    );
    t.same(withoutDomains(foreignRoutes), withoutDomains(localRoutes));
  });
}

function withoutDomains(resource: EncodedResource): object[] {
  return (readable(resource).virtualHosts as object[]).map((host) => ({ ...host, domains: [] }));
}

function readable({ kind, bytes }: EncodedResource): Message {
  return unpack(codec(messageNameOf(kind)).decode(bytes)) as Message;
}

/** Opens every Any, and leaves out what is empty. */
function unpack(value: unknown): unknown {
  if (value instanceof Uint8Array) return `hex ${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return value.map(unpack);
  if (typeof value !== 'object' || value === null) return value;
  const { typeUrl, value: packed } = value as { typeUrl?: string; value?: Uint8Array };
  if (typeof typeUrl === 'string') {
    const typeName = typeUrl.split('/')[1] as string;
    return { '@type': typeName, ...(unpack(codec(typeName).decode(packed ?? new Uint8Array())) as object) };
  }
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => !isEmpty(field))
      .map(([name, field]) => [name, unpack(field)]),
  );
}

function isEmpty(field: unknown): boolean {
  if (Array.isArray(field) || field instanceof Uint8Array) return field.length === 0;
  return field === undefined || field === null;
}
