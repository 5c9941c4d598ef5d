import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ServiceDefinition } from '@grpc/grpc-js';
import protobuf from 'protobufjs/light.js';

/** Directory of the bundles that the build step wrote. */
export const PROTO_BUNDLES = join(dirname(fileURLToPath(import.meta.url)), '../../proto');

/** A protobuf message as a plain object: camelCase fields, enums by name, lists and maps never absent. */
export type Message = { readonly [field: string]: unknown };

/** A packed message with its type, as xDS ships resources. */
export interface AnyMessage {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** Bytes that are no message of the type that they should be. */
export class MalformedMessageError extends Error {
  constructor(typeName: string, cause: unknown) {
    super(`is not a valid ${typeName}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = 'MalformedMessageError';
  }
}

/** Serialises one message type. `decode` throws a {@link MalformedMessageError} on bytes that are no such message. */
export interface Codec {
  /** Full name, without a leading dot. */
  readonly typeName: string;
  encode(message: object): Buffer;
  decode(bytes: Uint8Array): Message;
}

const TO_OBJECT: protobuf.IConversionOptions = { longs: Number, enums: String, arrays: true, objects: true };
const TYPE_URL_PREFIX = 'type.googleapis.com/';

function loadBundle(file: string): protobuf.Root {
  const root = protobuf.Root.fromJSON(JSON.parse(readFileSync(join(PROTO_BUNDLES, file), 'utf8')));
  root.resolveAll();
  return root;
}

const roots = { envoy: loadBundle('envoy.json'), roost: loadBundle('roost.json') };
const rootOf = (fullName: string) => (fullName.startsWith('roost.') ? roots.roost : roots.envoy);

const codecs = new Map<string, Codec>();

/** The codec of a message type by its full name, such as `envoy.config.cluster.v3.Cluster`. */
export function codec(typeName: string): Codec {
  const known = codecs.get(typeName);
  if (known) return known;
  const type = rootOf(typeName).lookupType(typeName);
  const made = makeCodec(typeName, type);
  codecs.set(typeName, made);
  return made;
}

function makeCodec(typeName: string, type: protobuf.Type): Codec {
  return {
    typeName,
    encode: (message) => type.encode(type.fromObject(message)).finish() as Buffer,
    decode: (bytes) => {
      try {
        return type.toObject(type.decode(bytes), TO_OBJECT);
      } catch (cause) {
        throw new MalformedMessageError(typeName, cause);
      }
    },
  };
}

/** What there is to know of a field beside its value. */
export interface FieldDescription {
  readonly isMap: boolean;
  /** One of `google.protobuf`'s messages around a single value. */
  readonly isWrapper: boolean;
  /** Of an enum, the name that stands for its not being set. */
  readonly zero: string | undefined;
}

/** @param field as decoded messages name it */
export function fieldOf(typeName: string, field: string): FieldDescription | undefined {
  const found = rootOf(typeName).lookupType(typeName).fields[field];
  if (found === undefined) return undefined;
  const { resolvedType } = found;
  return {
    isMap: found.map,
    isWrapper: /^\.google\.protobuf\.\w+Value$/.test(resolvedType?.fullName ?? ''),
    zero: resolvedType instanceof protobuf.Enum ? resolvedType.valuesById[0] : undefined,
  };
}

/** Packs a message, for a field of type `google.protobuf.Any`. */
export function packAny(typeName: string, message: object): AnyMessage {
  return { typeUrl: TYPE_URL_PREFIX + typeName, value: codec(typeName).encode(message) };
}

/** Unpacks an Any of exactly this type; undefined where it holds another. */
export function unpackAny(any: unknown, typeName: string): Message | undefined {
  const { typeUrl, value } = any as Partial<AnyMessage>;
  if (typeUrl !== TYPE_URL_PREFIX + typeName) return undefined;
  return codec(typeName).decode(value ?? new Uint8Array());
}

/** Type name of what an Any holds, for messages to people. */
export function anyTypeName(any: unknown): string {
  return String((any as Partial<AnyMessage>)?.typeUrl ?? '').replace(TYPE_URL_PREFIX, '') || 'nothing';
}

/**
 * The gRPC definition of a service for `@grpc/grpc-js`. A message that is a Buffer already is sent as it is,
 * so that a response encoded once can go to many streams.
 */
export function serviceDefinition(fullName: string): ServiceDefinition {
  const service = rootOf(fullName).lookupService(fullName);
  const definition: Record<string, ServiceDefinition[string]> = {};
  for (const method of service.methodsArray) {
    const request = codec(typeNameOf(method.resolvedRequestType));
    const response = codec(typeNameOf(method.resolvedResponseType));
    definition[method.name] = {
      path: `/${fullName}/${method.name}`,
      requestStream: method.requestStream === true,
      responseStream: method.responseStream === true,
      requestSerialize: (value: object) => serialize(request, value),
      requestDeserialize: (bytes: Buffer) => request.decode(bytes),
      responseSerialize: (value: object) => serialize(response, value),
      responseDeserialize: (bytes: Buffer) => response.decode(bytes),
      originalName: method.name.charAt(0).toLowerCase() + method.name.slice(1),
    };
  }
  return definition;
}

function serialize(messageCodec: Codec, value: object): Buffer {
  return Buffer.isBuffer(value) ? value : messageCodec.encode(value);
}

function typeNameOf(type: protobuf.Type | null): string {
  if (type === null)
    throw new Error('the descriptor bundle names a method with an unknown type; build again');
  return type.fullName.slice(1);
}
