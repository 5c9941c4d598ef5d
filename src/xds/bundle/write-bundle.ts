import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
// Registers google/protobuf/descriptor.proto and its kin with protobufjs.
import '@grpc/proto-loader';
import protobuf from 'protobufjs';
import { ADDED_FIELDS, ENVOY_PROTO_FILES, KEPT_TYPES } from './kept-types.js';

/**
 * Build step: turns the `.proto` files of the development dependency `@grpc/grpc-js-xds` and our own into
 * JSON descriptors in `dist/proto/`, so that neither the repository nor an image carries other projects' protos.
 */

const here = dirname(fileURLToPath(import.meta.url));
const distRoot = join(here, '../../..');
const projectRoot = join(distRoot, '..');
const envoyDeps = join(
  dirname(createRequire(import.meta.url).resolve('@grpc/grpc-js-xds/package.json')),
  'deps',
);

/** Parses files and all that they import, looking for each in the directories in turn. */
function loadRoot(files: readonly string[], includeDirs: readonly string[]): protobuf.Root {
  const root = new protobuf.Root();
  root.resolvePath = (_origin, target) => {
    const found = includeDirs.map((dir) => join(dir, target)).find((path) => existsSync(path));
    // What is in none of them (google/protobuf/any.proto …) is registered with protobufjs.
    return found ?? target;
  };
  root.loadSync([...files]);
  root.resolveAll();
  return root;
}

const kept = (fullName: string) =>
  KEPT_TYPES.some((name) => fullName === name || fullName.startsWith(`${name}.`));

/** Drops every type that is not kept and all extensions; fields of a dropped type become opaque. */
function prune(namespace: protobuf.NamespaceBase): void {
  for (const child of [...namespace.nestedArray]) {
    const fullName = child.fullName.slice(1);
    if (child instanceof protobuf.Type) {
      if (!kept(fullName)) namespace.remove(child);
      else makeOpaque(child);
    } else if (child instanceof protobuf.Enum) {
      if (!kept(fullName)) namespace.remove(child);
    } else if (child instanceof protobuf.Field) {
      namespace.remove(child);
    } else if (child instanceof protobuf.Namespace && !(child instanceof protobuf.Service)) {
      child.options = undefined as never;
      prune(child);
      if (child.nestedArray.length === 0) namespace.remove(child);
    }
  }
}

function makeOpaque(type: protobuf.Type): void {
  for (const field of type.fieldsArray) {
    const target = field.resolvedType;
    field.options = undefined as never;
    if (target === null || kept(target.fullName.slice(1))) continue;
    field.type = target instanceof protobuf.Enum ? 'int32' : 'bytes';
    field.resolvedType = null;
    field.resolved = false;
  }
  for (const nested of type.nestedArray) if (nested instanceof protobuf.Type) makeOpaque(nested);
}

function write(name: string, root: protobuf.Root): void {
  const file = join(distRoot, 'proto', name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(root.toJSON()));
}

const envoy = loadRoot(
  ENVOY_PROTO_FILES,
  ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((dir) => join(envoyDeps, dir)),
);
for (const { type, name, id, of } of ADDED_FIELDS) {
  const target = envoy.lookupType(type);
  if (!target.fields[name]) target.add(new protobuf.Field(name, id, of));
}
envoy.resolveAll();
prune(envoy);
// protobufjs brings this one message with its field's name in snake case.
const any = envoy.lookupType('google.protobuf.Any');
any.remove(any.fields.type_url as protobuf.Field);
any.add(new protobuf.Field('typeUrl', 1, 'string'));
write('envoy.json', envoy);

const protoDir = join(projectRoot, 'proto');
const ours = readdirSync(join(protoDir, 'roost/v1')).map((file) => `roost/v1/${file}`);
write('roost.json', loadRoot(ours, [protoDir]));
