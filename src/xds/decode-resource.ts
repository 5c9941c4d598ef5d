import { codec, MalformedMessageError, type Message } from './descriptors.js';
import { InvalidXdsError, Problems } from './fields.js';
import { messageNameOf, type ResourceKind } from './resource-types.js';

/**
 * Largest resource that is decoded. What it becomes takes about ten times as much memory; a service with 10,000
 * endpoints takes half a megabyte.
 */
export const MAX_RESOURCE_BYTES = 16 * 1024 * 1024;

/**
 * Decodes one resource and checks it, whatever server sent it.
 *
 * @param read makes the plain form, and adds everything that is wrong with it
 * @throws InvalidXdsError and nothing else, with all reasons
 */
export function decodeResource<T extends { readonly name: string }>(
  kind: ResourceKind,
  bytes: Uint8Array,
  read: (raw: Message, problems: Problems) => T,
): T {
  if (bytes.length > MAX_RESOURCE_BYTES)
    throw new InvalidXdsError('', [`is of ${bytes.length} bytes; the most is ${MAX_RESOURCE_BYTES}`]);
  const problems = new Problems();
  const resource = whereWellFormed(() => read(codec(messageNameOf(kind)).decode(bytes), problems));
  problems.throwIfAny(resource.name);
  return Object.freeze(resource);
}

/** Bytes that are no message, be it the resource or something packed into it, are the sender's fault. */
function whereWellFormed<T>(decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof MalformedMessageError) throw new InvalidXdsError('', [error.message]);
    throw error;
  }
}
