import { fieldOf, type Message } from './descriptors.js';
import { FIELD_SUPPORT } from './field-support.js';
import type { Problems } from './fields.js';

/** Wire names, by the names that decoded messages have them under. */
type KnownFields = ReadonlySet<string>;

const knownByType = new Map<string, KnownFields>();

/**
 * Names every field of a message that is set and that the sidecar neither honours nor may ignore, so that nothing
 * that would change a request's fate is passed over in silence.
 *
 * @param typeName full name; one of `FIELD_SUPPORT`
 */
export function refuseUnsupported(typeName: string, raw: Message, path: string, problems: Problems): void {
  const known = knownFields(typeName);
  for (const field of Object.keys(raw)) {
    if (known.has(field) || !isSet(typeName, field, raw[field])) continue;
    const name = wireName(field);
    problems.add(path === '' ? name : `${path}.${name}`, 'is not supported');
  }
}

function knownFields(typeName: string): KnownFields {
  const cached = knownByType.get(typeName);
  if (cached !== undefined) return cached;
  const { honoured, ignored = {} } = FIELD_SUPPORT[typeName] as NonNullable<(typeof FIELD_SUPPORT)[string]>;
  const names = [honoured, ...Object.values(ignored)].flatMap((list) => list.split(' '));
  const known = new Set(names.map(decodedName));
  knownByType.set(typeName, known);
  return known;
}

/** `max_stream_duration` → `maxStreamDuration`, as protobufjs has it: digits keep their underscore. */
export function decodedName(wire: string): string {
  return wire.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

export function wireName(decoded: string): string {
  return decoded.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Whether a field says anything: lists and maps that have something, messages that are there, other than zero. */
function isSet(typeName: string, field: string, value: unknown): boolean {
  if (typeof value !== 'object' || value === null)
    return Boolean(value) && value !== fieldOf(typeName, field)?.zero;
  if (Array.isArray(value)) return value.length > 0;
  // A message of a type that the bundle leaves out is its bytes; even none say that it is there.
  if (value instanceof Uint8Array) return true;
  const described = fieldOf(typeName, field);
  if (described?.isMap) return Object.keys(value).length > 0;
  // `{ value: false }` of a BoolValue and its kin says what the field's absence says.
  return !described?.isWrapper || Boolean((value as Message).value);
}
