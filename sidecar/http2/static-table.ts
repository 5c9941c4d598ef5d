import { HeaderField, INDEXED } from './header-field.js';

/** RFC 7541 appendix A, in order; the first has index 1. */
const ENTRIES: readonly (readonly [name: string, value: string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
];

export const STATIC_COUNT = ENTRIES.length;

/** By index; nothing has index 0. */
export const STATIC_FIELDS: readonly (HeaderField | undefined)[] = [
  undefined,
  ...ENTRIES.map(([name, value], i) => new HeaderField(name, value, INDEXED, i + 1)),
];

/** First index of each name. */
export const STATIC_NAMES: ReadonlyMap<string, number> = new Map(
  ENTRIES.map(([name], i) => [name, i + 1] as const).reverse(),
);

const BY_NAME_AND_VALUE = new Map<string, Map<string, HeaderField>>();
for (const field of STATIC_FIELDS) {
  if (field === undefined) continue;
  const values = BY_NAME_AND_VALUE.get(field.name) ?? new Map<string, HeaderField>();
  BY_NAME_AND_VALUE.set(field.name, values.set(field.value, field));
}

/** @returns the index of an entry with this name and value; 0: there is none */
export function staticIndexOf(name: string, value: string): number {
  return BY_NAME_AND_VALUE.get(name)?.get(value)?.staticIndex ?? 0;
}
