import { readBaggage } from '../../src/http/baggage.js';
import { findCookie } from '../../src/http/cookies.js';
import { headerName } from '../../src/http/header-name.js';
import { readParameter } from '../../src/http/query.js';
import { parseSessionCookie } from '../../src/routing/pins.js';
import type { RequestView } from '../../src/routing/request-view.js';
import type { CookieConfig, KeySourceConfig } from '../../src/xds/hash-policy.js';

/** A session key that a trace arrived with. */
export interface TraceKey {
  readonly kind: (typeof KINDS)[number];
  /** Of a header: in lower case. */
  readonly name: string;
  /** As they were; several where a header came several times. */
  readonly values: readonly string[];
}

const KINDS = ['header', 'cookie', 'baggage', 'query'] as const;

/**
 * The W3C baggage member that carries keys from sidecar to sidecar past an app that passes on nothing but its trace.
 * A member of our own and not the fields themselves, which apps may take for more than a session.
 */
export const KEYS_MEMBER = 'roost-keys';
/** Longest value remembered; a longer key is not carried over. */
export const MAX_VALUE_LENGTH = 512;
/** Longest {@link KEYS_MEMBER} written or read; with keys that need more, none is carried on. */
const MAX_MEMBER_LENGTH = 2048;

const COOKIE = headerName('cookie');

/**
 * What a request has of keys: its own, and those that came past an app.
 *
 * @param sources every source that some service takes session keys from
 */
export function collectKeys(
  request: RequestView,
  sources: readonly KeySourceConfig[],
  baggage: string,
): readonly TraceKey[] {
  const carried = parseKeys(readBaggage(baggage, KEYS_MEMBER) ?? '');
  if (carried.length === 0) return sources.flatMap((source) => keyOf(request, source, baggage));
  return sources.flatMap((source) => {
    const own = keyOf(request, source, baggage);
    return own.length > 0 ? own : carried.filter((key) => isOf(key, source));
  });
}

function keyOf(request: RequestView, source: KeySourceConfig, baggage: string): TraceKey[] {
  switch (source.kind) {
    case 'header':
      return key(source.kind, source.name, request.headerValues(headerName(source.name)));
    case 'cookie': {
      const value = findCookie(request.header(COOKIE) ?? '', source.cookie.name, keyCookie(source.cookie));
      return key(source.kind, source.cookie.name, [value]);
    }
    case 'baggage':
      return key(source.kind, source.name, [readBaggage(baggage, source.name)]);
    case 'query':
      return key(source.kind, source.name, [readParameter(request.query, source.name)]);
    default:
      return [];
  }
}

/** Of several cookies of a name, the one that the session goes by. */
function keyCookie({ opaque }: CookieConfig): (value: string) => string | undefined {
  return (value) => (opaque || parseSessionCookie(value) !== undefined ? value : undefined);
}

/** An empty value is not a key, unless there are others beside it. */
function key(kind: TraceKey['kind'], name: string, values: readonly (string | undefined)[]): TraceKey[] {
  const present = values.filter((value): value is string => value !== undefined);
  const length = present.reduce((sum, value) => sum + value.length, 0);
  const isEmpty = present.length === 0 || (present.length === 1 && length === 0);
  return isEmpty || length > MAX_VALUE_LENGTH ? [] : [{ kind, name, values: present }];
}

function isOf({ kind, name }: TraceKey, source: KeySourceConfig): boolean {
  if (source.kind === 'cookie') return kind === 'cookie' && name === source.cookie.name;
  return kind === source.kind && 'name' in source && name === source.name;
}

/** The value of {@link KEYS_MEMBER}: base64url of JSON. Undefined where there is nothing, or too much. */
export function formatKeys(keys: readonly TraceKey[]): string | undefined {
  if (keys.length === 0) return undefined;
  const json = JSON.stringify(keys.map(({ kind, name, values }) => [kind, name, ...values]));
  const text = Buffer.from(json).toString('base64url');
  return text.length > MAX_MEMBER_LENGTH ? undefined : text;
}

/** From any sender: what is not a list of keys counts as no list. */
export function parseKeys(text: string): readonly TraceKey[] {
  if (text === '' || text.length > MAX_MEMBER_LENGTH) return [];
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    return [];
  }
  return Array.isArray(json) ? json.flatMap(toKey) : [];
}

function toKey(entry: unknown): TraceKey[] {
  if (!Array.isArray(entry) || !entry.every((part) => typeof part === 'string' && isLatin1(part))) return [];
  const [kind, name = '', ...values] = entry as string[];
  const known = KINDS.find((each) => each === kind);
  return known === undefined || name === '' ? [] : key(known, name, values);
}

/** One character, one byte, and none that ends a line: what a header's value can have been. */
function isLatin1(text: string): boolean {
  return /^[^\0\r\n\u0100-\uffff]*$/.test(text);
}
