import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import protobuf from 'protobufjs/light.js';
import { PROTO_BUNDLES } from '../../../src/xds/descriptors.js';

/** The bundle of Envoy's API as protobufjs has it, for tests that go through its fields. */
const root = protobuf.Root.fromJSON(JSON.parse(readFileSync(join(PROTO_BUNDLES, 'envoy.json'), 'utf8')));
root.resolveAll();

export function typeOf(fullName: string): protobuf.Type {
  return root.lookupType(fullName);
}

/** Some value of a field other than what its absence means: as a message for `Codec.encode`. */
export function sampleOf(field: protobuf.Field): unknown {
  const value = sampleOfType(field.resolvedType, field.type);
  if (field.map) return { key: value };
  return field.repeated ? [value] : value;
}

function sampleOfType(resolved: protobuf.Type | protobuf.Enum | null, type: string): unknown {
  if (resolved instanceof protobuf.Enum) return Object.values(resolved.values).find((value) => value !== 0);
  if (resolved instanceof protobuf.Type) return sampleMessage(resolved);
  if (type === 'string') return 'x';
  if (type === 'bytes') return Buffer.from([]);
  return type === 'bool' ? true : 7;
}

const SAMPLES: Readonly<Record<string, object>> = {
  '.google.protobuf.Duration': { seconds: 7 },
  '.envoy.type.v3.FractionalPercent': { numerator: 7 },
  '.envoy.type.v3.Percent': { value: 7 },
};

/** Of most messages only that they are there says something. */
function sampleMessage(type: protobuf.Type): object {
  const isWrapper = /^\.google\.protobuf\.\w+Value$/.test(type.fullName) && type.fields.value !== undefined;
  return isWrapper
    ? { value: sampleOf(type.fields.value as protobuf.Field) }
    : (SAMPLES[type.fullName] ?? {});
}
