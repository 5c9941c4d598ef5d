import { isIP } from 'node:net';
import { LONGEST_MAX_AGE_S, LONGEST_SESSION_COOKIE } from '../http/cookies.js';
import { field, list } from './document-fields.js';
import { parseDuration } from './formats.js';
import type { Path, Problem } from './problems.js';

/**
 * Cookies that a sidecar could write and that browsers would not keep, by RFC 6265bis sections 4.1.3 and 5.7. A
 * document that asks for one is refused when it is applied, and not when it is read: what is stored already goes on.
 */

/** Longest name and value together. */
const MAX_PAIR_BYTES = 4096;
/** What a name may have: `scope: route` puts a route's name behind it. */
const MAX_NAME_LENGTH = MAX_PAIR_BYTES - LONGEST_SESSION_COOKIE - '.'.length - 63;
/** Longer attributes are passed over. */
const MAX_ATTRIBUTE_BYTES = 1024;

/** Names that promise something of their cookie; the first that fits counts. */
const PROMISES = [
  { prefix: '__Host-Http-', fields: { secure: true, httpOnly: true, path: '/', domain: undefined } },
  { prefix: '__Host-', fields: { secure: true, path: '/', domain: undefined } },
  { prefix: '__Http-', fields: { secure: true, httpOnly: true } },
  { prefix: '__Secure-', fields: { secure: true } },
] as const;

/** What the schema takes for granted. */
const DEFAULTS = { path: '/', sameSite: 'Lax', secure: 'auto', httpOnly: true };

interface Cookie {
  readonly name?: unknown;
  readonly path?: unknown;
  readonly domain?: unknown;
  readonly ttl?: unknown;
  readonly sameSite?: unknown;
  readonly secure?: unknown;
  readonly httpOnly?: unknown;
}

/** Of the cookies that a valid document has its sidecars set. */
export function cookieProblems(document: unknown): Problem[] {
  return cookiesOf(document).flatMap(({ cookie, at }) => [
    ...sameSiteProblems(cookie, at),
    ...promiseProblems(cookie, at),
    ...domainProblems(cookie, at),
    ...pairProblems(cookie, at),
  ]);
}

/** What may be meant, and surprises users who do not expect it. */
export function cookieNotes(document: unknown): Problem[] {
  return cookiesOf(document).flatMap(({ cookie, at }) => [
    ...ageNotes(cookie, at),
    ...domainNotes(cookie, at, hostsOf(document)),
  ]);
}

function cookiesOf(document: unknown): { readonly cookie: Cookie; readonly at: Path }[] {
  const keys = list(field(field(field(document, 'spec'), 'affinity'), 'key'));
  return keys.flatMap((source, i) => {
    const cookie = field(source, 'cookie');
    if (cookie === undefined || field(cookie, 'mint') === false) return [];
    const own = typeof cookie === 'string' ? { name: cookie } : (cookie as object);
    return [{ cookie: { ...DEFAULTS, ...own }, at: ['spec', 'affinity', 'key', i, 'cookie'] }];
  });
}

const AUTO = ' ("auto" is none here: apps call their sidecar without TLS)';

function sameSiteProblems({ sameSite, secure }: Cookie, at: Path): Problem[] {
  if (sameSite !== 'None' || secure === true) return [];
  const message = `None needs "secure: true"${secure === 'auto' ? AUTO : ''}: browsers drop the cookie otherwise`;
  return [{ path: [...at, 'sameSite'], message }];
}

function promiseProblems(cookie: Cookie, at: Path): Problem[] {
  const name = String(cookie.name).toLowerCase();
  const promise = PROMISES.find(({ prefix }) => name.startsWith(prefix.toLowerCase()));
  if (promise === undefined) return [];
  const broken = Object.entries(promise.fields).filter(
    ([key, value]) => cookie[key as keyof Cookie] !== value,
  );
  if (broken.length === 0) return [];
  const wanted = broken.map(([key, value]) => (value === undefined ? `no ${key}` : `${key}: ${value}`));
  const message = `${JSON.stringify(cookie.name)} needs ${wanted.join(', ')}: browsers drop a cookie whose name starts with "${promise.prefix}" otherwise`;
  return [{ path: [...at, 'name'], message }];
}

/** Suffixes that many parties share; not the whole of publicsuffix.org, only what is met often. */
const SHARED_SUFFIX =
  /^(?:[^.]+|(?:ac|co|com|edu|gov|ne|net|or|org)\.[a-z]{2}|(?:github|gitlab)\.io|(?:pages|workers|fly|vercel)\.dev|(?:herokuapp|appspot|azurewebsites|cloudfront|amazonaws)\.(?:com|net)|(?:vercel|netlify|web)\.app)$/;

function domainProblems({ domain }: Cookie, at: Path): Problem[] {
  const message = typeof domain === 'string' ? domainProblem(domain) : undefined;
  return message === undefined ? [] : [{ path: [...at, 'domain'], message }];
}

/** Why no browser keeps a cookie with this `Domain`; undefined: those of its hosts do. */
export function domainProblem(domain: string): string | undefined {
  const instead = 'leave "domain" out for a cookie of the host alone';
  if (isIP(domain) !== 0) return `"${domain}" is an address, which has no hosts below it; ${instead}`;
  if (!SHARED_SUFFIX.test(domain)) return undefined;
  return `"${domain}" is a suffix that many share, and browsers keep no cookie for it; ${instead}`;
}

/** Why clients send a cookie with this `Path` to no URL; undefined: they do to those below it. */
export function pathProblem(path: string): string | undefined {
  const found = /[?#\s]/.exec(path)?.[0];
  return (
    found &&
    `${JSON.stringify(path)} has a "${found}", which no path of a URL has: clients send the cookie nowhere`
  );
}

function pairProblems({ name, path }: Cookie, at: Path): Problem[] {
  const problems: Problem[] = [];
  const message = pathProblem(String(path));
  if (message !== undefined) problems.push({ path: [...at, 'path'], message });
  if (String(name).length > MAX_NAME_LENGTH)
    problems.push({
      path: [...at, 'name'],
      message: `is longer than ${MAX_NAME_LENGTH} characters: browsers drop cookies of more than ${MAX_PAIR_BYTES} bytes`,
    });
  if (String(path).length > MAX_ATTRIBUTE_BYTES)
    problems.push({
      path: [...at, 'path'],
      message: `is longer than ${MAX_ATTRIBUTE_BYTES} characters: browsers pass it over`,
    });
  return problems;
}

function ageNotes({ ttl }: Cookie, at: Path): Problem[] {
  const ms = typeof ttl === 'string' ? parseDuration(ttl) : undefined;
  if (ms === undefined || ms <= LONGEST_MAX_AGE_S * 1000) return [];
  return [
    { path: [...at, 'ttl'], message: 'is more than 400 days, the longest that browsers keep a cookie' },
  ];
}

function domainNotes({ domain }: Cookie, at: Path, hosts: readonly string[]): Problem[] {
  if (typeof domain !== 'string') return [];
  if (hosts.some((host) => host === domain || host.endsWith(`.${domain}`))) return [];
  const message = `"${domain}" covers none of the service's hosts (${hosts.join(', ')}): browsers drop the cookie unless they call a host below it`;
  return [{ path: [...at, 'domain'], message }];
}

/** The names that a browser may know a service by. */
function hostsOf(document: unknown): string[] {
  const { name, namespace = 'default' } = field(document, 'metadata') as { name: string; namespace?: string };
  return [
    ...(list(field(field(document, 'spec'), 'hosts')) as string[]),
    `${name}.${namespace}.svc.cluster.local`,
  ];
}
