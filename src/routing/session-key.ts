import { combineHashes, xxh64, xxh64OfHeader } from '../hashing/xxh64.js';
import { readBaggage } from '../http/baggage.js';
import { utf8Bytes, utf8Text } from '../http/byte-text.js';
import { findCookie, readCookie } from '../http/cookies.js';
import { headerName } from '../http/header-name.js';
import { readParameter } from '../http/query.js';
import type { CookieConfig, HashPolicyConfig, KeySourceConfig } from '../xds/hash-policy.js';
import type { RegexRewrite } from '../xds/regex-rewrite.js';
import { type CookieSession, parseSessionCookie } from './pins.js';
import { compileRegexRewrite } from './regex-rewrite.js';
import type { RequestView } from './request-view.js';

/** The session of one request. */
export interface SessionKey {
  /** XXH64 of the key, with the service's salt: what the release is picked by, and as a rule the endpoint. */
  readonly hash: bigint;
  /**
   * The same without the salt: what pins are found by, so that a change of salt moves no pinned session (S4 rule 4).
   * Under `salt: auto` endpoints are picked by it, too.
   */
  readonly pinHash: bigint;
  readonly source: KeySourceConfig;
  /** Set where the session travels in a cookie. */
  readonly cookie: SessionCookie | undefined;
}

/** What the request's cookie carried, or a key that was made for want of one. */
export interface SessionCookie extends CookieSession {
  readonly config: CookieConfig;
  /** The key was made for this request; the response must set the cookie. */
  readonly minted: boolean;
  /** The request has a cookie of the name all the same, with a value that is no session. */
  readonly replaces: boolean;
}

const COOKIE = headerName('cookie');
const BAGGAGE = headerName('baggage');

/** The first source that the request has is the key; finds it, or makes one where a cookie source may. */
export class SessionKeys {
  readonly sources: readonly KeySourceConfig[];
  private readonly readers: readonly Reader[];
  /** Cookies of the app's own, and where they stand among the sources. */
  readonly appCookies: readonly AppCookie[];
  private readonly minting: CookieConfig | undefined;

  /**
   * @param policies in order; a source that is not `terminal` is combined with the next, as Envoy does
   * @param seed hash seed, from the service's salt
   * @param mintKey makes a key that no client can guess: 22 characters of base64url
   */
  constructor(
    policies: readonly HashPolicyConfig[],
    readonly seed: bigint,
    private readonly mintKey: () => string,
  ) {
    this.sources = policies.map(({ source }) => source);
    this.readers = policies.map(readerOf);
    const cookies = policies.map(({ source }) => (source.kind === 'cookie' ? source.cookie : undefined));
    this.minting = cookies.find((cookie) => cookie?.mint === true);
    this.appCookies = cookies.flatMap((cookie, place) =>
      cookie === undefined || cookie.mint ? [] : [{ name: cookie.name, place }],
    );
  }

  /** @returns undefined where there is neither a key nor a cookie to make one for. */
  find(request: RequestView): SessionKey | undefined {
    const found = this.read(request, this.seed);
    if (found === undefined) return this.minting === undefined ? undefined : this.mint(this.minting, request);
    if (this.seed === 0n) return found;
    const { hash, source, cookie } = found;
    return { hash, pinHash: (this.read(request, 0n) as SessionKey).pinHash, source, cookie };
  }

  private read(request: RequestView, seed: bigint): SessionKey | undefined {
    let found: SessionKey | undefined;
    for (const { read, terminal } of this.readers) {
      const next = read(request, seed);
      if (next !== undefined) found = found === undefined ? next : combined(found, next);
      if (terminal && found !== undefined) break;
    }
    return found;
  }

  /** Where a source that a key came from stands in the list. */
  placeOf(source: KeySourceConfig): number {
    const identity = identityOf(source);
    return this.sources.findIndex((each) => each === source || identityOf(each) === identity);
  }

  private mint(config: CookieConfig, request: RequestView): SessionKey {
    const key = this.mintKey();
    const replaces = readCookie(request.header(COOKIE) ?? '', config.name) !== undefined;
    const cookie = { config, key, pin: undefined, minted: true, replaces };
    return sessionKey(xxh64(key, this.seed), { kind: 'cookie', cookie: config }, cookie);
  }
}

/** A cookie that is a key where it is there, and that its app alone sets. */
export interface AppCookie {
  readonly name: string;
  readonly place: number;
}

/** What tells one source from another. A cookie is the same whatever its attributes are, but for whose it is. */
export function identityOf(source: KeySourceConfig): string {
  if (source.kind !== 'cookie') return JSON.stringify(source);
  const { name, mint } = source.cookie;
  return mint ? `cookie ${name}` : `app's cookie ${name}`;
}

/**
 * Marks pins by what their session's key depends on: the scope and the source. Where one of them changes, no request
 * finds the pin again. 32 bits. The 0 stands where versions before shared pins had the salt's seed: of services without
 * a salt, they and this one understand each other.
 */
export function sessionTag(scope: bigint, source: KeySourceConfig): number {
  return Number(xxh64(`${scope} 0 ${identityOf(source)}`) & 0xffffffffn);
}

/** Tells one salt from another in session tables; 0: none. 32 bits. */
export function saltTag(seed: bigint): number {
  return Number(seed & 0xffffffffn);
}

/** The tag of a session in a cookie that has not come back yet, and may never: not every client keeps cookies. */
export function newcomerTag(tag: number): number {
  return (tag ^ 1) >>> 0;
}

interface Reader {
  readonly terminal: boolean;
  read(request: RequestView, seed: bigint): SessionKey | undefined;
}

/** Most services of a mesh have the same few, which are then in the processor's caches for all of them. */
const readers = new Map<string, Reader>();
const MOST_READERS = 1000;

function readerOf(policy: HashPolicyConfig): Reader {
  const text = JSON.stringify(policy);
  const known = readers.get(text);
  if (known !== undefined) return known;
  const made = makeReader(policy);
  if (readers.size < MOST_READERS) readers.set(text, made);
  return made;
}

function makeReader({ source, terminal }: HashPolicyConfig): Reader {
  if (source.kind === 'cookie')
    return { terminal, read: (request, seed) => readSessionCookie(request, source, source.cookie, seed) };
  if (source.kind === 'header') {
    const name = headerName(source.name);
    if (source.rewrite === undefined)
      return { terminal, read: (request, seed) => readHeader(request.headerValues(name), source, seed) };
    const rewrite = rewriterOfBytes(source.rewrite);
    return {
      terminal,
      read: (request, seed) => readHeader(request.headerValues(name).map(rewrite), source, seed),
    };
  }
  const value = valueReader(source);
  return {
    terminal,
    read(request, seed) {
      const key = value(request);
      return key === undefined || key === '' ? undefined : sessionKey(xxh64(key, seed), source, undefined);
    },
  };
}

/** Bytes that are no UTF-8 go through one by one. */
function rewriterOfBytes(config: RegexRewrite): (value: string) => string {
  const rewrite = compileRegexRewrite(config);
  return (value) => {
    const text = utf8Text(value);
    return utf8Bytes(text) === value ? utf8Bytes(rewrite(text)) : rewrite(value);
  };
}

function valueReader(
  source: Exclude<KeySourceConfig, { kind: 'cookie' | 'header' }>,
): (request: RequestView) => string | undefined {
  switch (source.kind) {
    case 'query':
      return ({ query }) => readParameter(query, source.name);
    case 'baggage':
      return (request) => readBaggage(request.header(BAGGAGE) ?? '', source.name);
    case 'source-ip':
      return ({ sourceIp }) => sourceIp;
    case 'source-identity':
      return () => undefined;
  }
}

function readHeader(
  values: readonly string[],
  source: KeySourceConfig,
  seed: bigint,
): SessionKey | undefined {
  // An empty value is a key that every such request would share; it counts as absent.
  if (values.length === 0 || (values.length === 1 && values[0] === '')) return undefined;
  return sessionKey(xxh64OfHeader(values, seed), source, undefined);
}

function readSessionCookie(
  request: RequestView,
  source: KeySourceConfig,
  config: CookieConfig,
  seed: bigint,
): SessionKey | undefined {
  const header = request.header(COOKIE);
  if (header === undefined) return undefined;
  if (config.opaque) {
    const value = readCookie(header, config.name);
    return value ? sessionKey(xxh64(value, seed), source, undefined) : undefined;
  }
  // A client may have another of the name, for another path or domain, that no answer of ours can replace.
  const session = findCookie(header, config.name, parseSessionCookie);
  if (session === undefined) return undefined;
  const cookie = { config, ...session, minted: false, replaces: false };
  return sessionKey(xxh64(session.key, seed), source, cookie);
}

/** For a reader that reads with one seed. Written out: a spread here costs every request 1 µs (`npm run bench -- against`). */
function sessionKey(hash: bigint, source: KeySourceConfig, cookie: SessionKey['cookie']): SessionKey {
  return { hash, pinHash: hash, source, cookie };
}

function combined({ hash, source, cookie }: SessionKey, next: SessionKey): SessionKey {
  return sessionKey(combineHashes(hash, next.hash), source, cookie);
}
