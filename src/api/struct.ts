/** `google.protobuf.Struct` as proto-loader has it, and plain JSON. */

interface Value {
  readonly nullValue?: unknown;
  readonly numberValue?: number;
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly structValue?: Struct;
  readonly listValue?: { readonly values?: readonly Value[] };
}

export interface Struct {
  readonly fields?: Readonly<Record<string, Value>>;
}

export function toStruct(value: object): Struct {
  const fields = Object.entries(value).filter(([, member]) => member !== undefined);
  return { fields: Object.fromEntries(fields.map(([name, member]) => [name, toValue(member)])) };
}

function toValue(value: unknown): Value {
  switch (typeof value) {
    case 'number':
      return { numberValue: value };
    case 'string':
      return { stringValue: value };
    case 'boolean':
      return { boolValue: value };
    case 'object':
      if (value === null) return { nullValue: 'NULL_VALUE' };
      return Array.isArray(value)
        ? { listValue: { values: value.map(toValue) } }
        : { structValue: toStruct(value) };
    default:
      throw new TypeError(`a ${typeof value} has no JSON form`);
  }
}

export function fromStruct(struct: Struct): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(struct.fields ?? {}).map(([name, value]) => [name, fromValue(value)]),
  );
}

function fromValue(value: Value): unknown {
  if (value.structValue !== undefined && value.structValue !== null) return fromStruct(value.structValue);
  if (value.listValue !== undefined && value.listValue !== null)
    return (value.listValue.values ?? []).map(fromValue);
  return value.stringValue ?? value.numberValue ?? value.boolValue ?? null;
}
