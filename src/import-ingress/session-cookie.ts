import { isCookiePath } from '../http/field-line.js';
import { domainProblem, pathProblem } from '../model/cookie-rules.js';
import { parseDuration } from '../model/formats.js';
import { cookieName, hostname, OLDEST_COOKIE } from '../model/scalars.js';
import type { AffinityInput } from './document.js';
import type { Group } from './groups.js';
import type { Ingress } from './ingress.js';
import { commonPath, isExpression } from './paths.js';
import { formatSeconds } from './route-settings.js';

type Cookie = Exclude<NonNullable<AffinityInput['key'][number]['cookie']>, string>;

/** The `session-cookie-*` annotations as a cookie of ours. */
export function readCookie(ingress: Ingress, group: Group): Cookie {
  const name = readName(ingress);
  const ofHost = OF_ONE_HOST.test(name);
  const domain = readDomain(ingress, ofHost);
  const ttl = readAge(ingress);
  const sameSite = readSameSite(ingress);
  return {
    name,
    path: ofHost ? '/' : readPath(ingress, group),
    ...(domain === undefined ? {} : { domain }),
    ...(ttl === undefined ? {} : { ttl }),
    ...(sameSite === undefined ? {} : { sameSite }),
    ...(readSecure(ingress, name, sameSite) ? { secure: true } : {}),
  };
}

/** ingress-nginx makes a cookie `Secure` where the request came over TLS, unless it is told. */
function readSecure(ingress: Ingress, name: string, sameSite: SameSite | undefined): boolean {
  const told = ingress.flag('session-cookie-secure');
  if (told) ingress.remark('session-cookie-secure', { outcome: 'exact', note: 'always' });
  const needs = sameSite === 'None' ? 'SameSite=None' : PROMISES_SECURE.test(name) ? `the name ${name}` : '';
  if (told || needs === '') return told === true;
  const path = OF_ONE_HOST.test(name) ? ' and path: /' : '';
  const note = `secure: true${path} comes with it, since browsers drop ${needs} otherwise; clients without TLS keep no session then`;
  ingress.remark(sameSite === 'None' ? 'session-cookie-samesite' : 'session-cookie-name', {
    outcome: 'changes',
    note,
  });
  if (told === false)
    ingress.remark('session-cookie-secure', { outcome: 'changes', note: `true, for ${needs}` });
  return true;
}

/** Names of cookies for one host and all of its paths. */
const OF_ONE_HOST = /^__host-/i;
const PROMISES_SECURE = /^__(?:host|secure|http|host-http)-/i;

const DEFAULT_NAME = 'INGRESSCOOKIE';

function readName(ingress: Ingress): string {
  const name = ingress.text('session-cookie-name') ?? DEFAULT_NAME;
  if (cookieName.safeParse(name).success) return name;
  ingress.refuseAnnotation('session-cookie-name', `"${name}" is not a cookie name; ${DEFAULT_NAME} is taken`);
  return DEFAULT_NAME;
}

function readPath(ingress: Ingress, group: Group): string {
  const shared = commonPath(group.rules.map(({ condition }) => condition));
  const path = ingress.text('session-cookie-path');
  if (path === undefined) return shared;
  if (!isCookiePath(path) || pathProblem(path) !== undefined) {
    ingress.refuseAnnotation(
      'session-cookie-path',
      `"${path}" is not a path of a cookie; ${shared} is taken`,
    );
    return shared;
  }
  if (isExpression(path)) {
    const note = `${shared} is taken: clients compare a cookie's path character by character, and know no expressions`;
    ingress.remark('session-cookie-path', { outcome: 'changes', note });
    return shared;
  }
  const prefix = path.endsWith('/') ? path : `${path}/`;
  const covers = path === '/' || `${shared}/`.startsWith(prefix);
  const note = covers
    ? 'the same'
    : `the same; clients do not send it on every path of the service (${shared}), and get a new session where they do not`;
  ingress.remark('session-cookie-path', { outcome: covers ? 'exact' : 'changes', note });
  return path;
}

/** What is to be said of a path that the cookie has not been given. */
export function noteOnPath(ingress: Ingress, group: Group, path = '/'): string | undefined {
  const expression = group.rules.map(({ condition }) => condition.text).find(isExpression);
  if (ingress.text('session-cookie-path') !== undefined || expression === undefined) return undefined;
  return `the cookie's path is ${path}; there it is ${expression}, which clients take for a path and never send the cookie to`;
}

function readDomain(ingress: Ingress, ofHost: boolean): string | undefined {
  const domain = ingress.text('session-cookie-domain')?.replace(/^\./, '').toLowerCase();
  if (domain === undefined) return undefined;
  const problem = ofHost
    ? 'browsers drop a cookie with such a name that has a domain'
    : hostname.safeParse(domain).success
      ? domainProblem(domain)
      : `"${domain}" is not a host name`;
  if (problem === undefined) return domain;
  ingress.refuseAnnotation('session-cookie-domain', problem);
  return undefined;
}

const OLDEST_COOKIE_S = (parseDuration(OLDEST_COOKIE) as number) / 1000;

function readAge(ingress: Ingress): string | undefined {
  const [maxAge, expires] = (['session-cookie-max-age', 'session-cookie-expires'] as const).map((name) => {
    const seconds = ingress.wholeNumber(
      name,
      'write seconds; ingress-nginx sets a cookie of the browser session',
    );
    if (seconds === undefined || seconds > 0) return seconds;
    ingress.refuseAnnotation(
      name,
      `${seconds} makes clients drop the cookie at once; a cookie of the browser session is set`,
    );
    return undefined;
  });
  if (maxAge !== undefined)
    ingress.remark('session-cookie-expires', {
      becomes: '',
      note: 'max-age says the same, and clients prefer it',
    });
  const seconds = maxAge ?? expires;
  if (seconds === undefined) return undefined;
  if (seconds <= OLDEST_COOKIE_S) return formatSeconds(seconds);
  const name = maxAge === undefined ? 'session-cookie-expires' : 'session-cookie-max-age';
  ingress.remark(name, { outcome: 'changes', note: `${OLDEST_COOKIE}, the longest; browsers keep 400 days` });
  return OLDEST_COOKIE;
}

type SameSite = NonNullable<Cookie['sameSite']>;
const SAME_SITE: readonly SameSite[] = ['Lax', 'Strict', 'None'];

function readSameSite(ingress: Ingress): SameSite | undefined {
  const value = ingress.text('session-cookie-samesite');
  const known = SAME_SITE.find((mode) => mode.toLowerCase() === value?.toLowerCase());
  if (value !== undefined && known === undefined)
    ingress.refuseAnnotation(
      'session-cookie-samesite',
      `"${value}" is none of ${SAME_SITE.join(', ')}; Lax is taken`,
    );
  return known;
}
