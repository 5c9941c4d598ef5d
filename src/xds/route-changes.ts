import { isGuardedHeader, isHeaderValue, isTargetPath } from '../http/guarded-headers.js';
import { type Message, unpackAny } from './descriptors.js';
import { durationMs, message, messages, type Problems, text, wrappedBool } from './fields.js';
import { type RegexRewrite, readRegexRewrite } from './regex-rewrite.js';
import { readFraction } from './route-match.js';

/** What a route does to a request or a response on its way. */

export interface HeaderChange {
  /** As written. */
  readonly name: string;
  readonly value: string;
  /** `add` puts another field beside what is there, `set` one in its place. */
  readonly kind: 'set' | 'add';
}

export interface HeaderChanges {
  readonly changes: readonly HeaderChange[];
  /** Lower case. */
  readonly removed: readonly string[];
}

export const NO_CHANGES: HeaderChanges = { changes: [], removed: [] };

export interface RewriteConfig {
  readonly path: RegexRewrite | undefined;
  /** Empty: as it is. */
  readonly host: string;
}

export interface RedirectConfig {
  /** Empty: as it is; `port` 0 likewise. */
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  /** The whole path, or a rewrite of it. */
  readonly path: string;
  readonly rewrite: RegexRewrite | undefined;
  readonly keepsQuery: boolean;
  readonly status: number;
}

export interface MirrorConfig {
  readonly cluster: string;
  /** 0 to 1. */
  readonly fraction: number;
}

export interface FaultConfig {
  readonly delayMs: number;
  readonly delayFraction: number;
  /** 0: none. */
  readonly abortStatus: number;
  readonly abortFraction: number;
}

/** Reads `request_headers_to_add` and `…_to_remove`, or the response's. */
export function readHeaderChanges(
  raw: Message,
  which: 'request' | 'response',
  path: string,
  problems: Problems,
): HeaderChanges {
  const field = `${path}.${which}_headers_to`;
  const added = messages(raw[`${which}HeadersToAdd`]).map((option, i) =>
    readHeaderChange(option, `${field}_add[${i}]`, problems),
  );
  const removed = ((raw[`${which}HeadersToRemove`] as string[] | undefined) ?? []).map((name) =>
    name.toLowerCase(),
  );
  for (const name of removed) if (isGuardedHeader(name)) refuseGuarded(name, `${field}_remove`, problems);
  return added.length === 0 && removed.length === 0 ? NO_CHANGES : { changes: added, removed };
}

function readHeaderChange(option: Message, path: string, problems: Problems): HeaderChange {
  const header = message(option.header);
  const name = text(header?.key);
  if (!HEADER_NAME.test(name)) problems.add(`${path}.header.key`, `"${name}" is no header name`);
  if (isGuardedHeader(name.toLowerCase())) refuseGuarded(name, path, problems);
  const action = text(option.appendAction);
  if (action === 'ADD_IF_ABSENT' || action === 'OVERWRITE_IF_EXISTS')
    problems.add(`${path}.append_action`, `${action} is not supported`);
  // `append` is the field that `append_action` took the place of.
  const overwrites = action === 'OVERWRITE_IF_EXISTS_OR_ADD' || wrappedBool(option.append) === false;
  const value = readHeaderValue(text(header?.value), `${path}.header.value`, problems);
  return { name, value, kind: overwrites ? 'set' : 'add' };
}

/** RFC 9110 section 5.6.2. */
const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

function refuseGuarded(name: string, path: string, problems: Problems): void {
  problems.add(path, `"${name}" frames a message or belongs to one hop; it cannot be changed`);
}

/** Envoy's values are format strings: `%%` is a percent sign, `%COMMAND%` something that is not known here. */
function readHeaderValue(value: string, path: string, problems: Problems): string {
  if (value.replaceAll('%%', '').includes('%'))
    problems.add(path, 'has a command operator (%…%), which is not supported');
  const plain = value.replaceAll('%%', '%');
  if (!isHeaderValue(plain)) problems.add(path, 'has a character that no header value may have');
  return plain;
}

export function readRewrite(action: Message, path: string, problems: Problems): RewriteConfig | undefined {
  const host = readHost(action.hostRewriteLiteral, `${path}.host_rewrite_literal`, problems);
  const regex = readPathRewrite(action.regexRewrite, `${path}.regex_rewrite`, problems);
  if (text(action.prefixRewrite) !== '')
    problems.add(`${path}.prefix_rewrite`, 'is not supported; use regex_rewrite');
  return host === '' && regex === undefined ? undefined : { path: regex, host };
}

/** What may stand in `Host` and in a URL (RFC 9110 section 7.2), more or less. */
function readHost(raw: unknown, path: string, problems: Problems): string {
  const host = text(raw);
  if (!/^[A-Za-z0-9._:[\]-]*$/.test(host)) problems.add(path, `"${host}" is no host`);
  return host;
}

function readPathRewrite(raw: unknown, path: string, problems: Problems): RegexRewrite | undefined {
  const rewrite = readRegexRewrite(raw, path, problems);
  const written = rewrite?.substitution.filter((part) => typeof part === 'string').join('') ?? '';
  if (!isTargetPath(`/${written}`))
    problems.add(`${path}.substitution`, 'has a character that no path may have');
  return rewrite;
}

const REDIRECT_STATUS: Readonly<Record<string, number>> = {
  MOVED_PERMANENTLY: 301,
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
};

export function readRedirect(raw: Message, path: string, problems: Problems): RedirectConfig {
  const scheme = raw.httpsRedirect === true ? 'https' : text(raw.schemeRedirect);
  const newPath = text(raw.pathRedirect);
  if (!/^(?:https?)?$/.test(scheme)) problems.add(`${path}.scheme_redirect`, `"${scheme}" is not supported`);
  if (newPath !== '' && !isTargetPath(newPath))
    problems.add(`${path}.path_redirect`, 'is no path; one with a query is not supported');
  if (text(raw.prefixRewrite) !== '')
    problems.add(`${path}.prefix_rewrite`, 'is not supported; use regex_rewrite');
  return {
    scheme,
    host: readHost(raw.hostRedirect, `${path}.host_redirect`, problems),
    port: Number(raw.portRedirect ?? 0),
    path: newPath,
    rewrite: readPathRewrite(raw.regexRewrite, `${path}.regex_rewrite`, problems),
    keepsQuery: raw.stripQuery !== true,
    status: REDIRECT_STATUS[text(raw.responseCode)] ?? 301,
  };
}

export function readMirrors(action: Message): MirrorConfig[] {
  return messages(action.requestMirrorPolicies).map((policy) => ({
    cluster: text(policy.cluster),
    fraction: readFraction(message(policy.runtimeFraction)?.defaultValue),
  }));
}

export const FAULT_FILTER = 'envoy.filters.http.fault';
export const FAULT_TYPE = 'envoy.extensions.filters.http.fault.v3.HTTPFault';

/** The fault that a route asks for in `typed_per_filter_config`. */
export function readFault(perFilterConfig: unknown): FaultConfig | undefined {
  const any = message(perFilterConfig)?.[FAULT_FILTER];
  const fault = any === undefined ? undefined : unpackAny(any, FAULT_TYPE);
  if (fault === undefined) return undefined;
  const [delay, abort] = [message(fault.delay), message(fault.abort)];
  return {
    delayMs: durationMs(delay?.fixedDelay) ?? 0,
    delayFraction: delay === undefined ? 0 : readFraction(delay.percentage),
    abortStatus: Number(abort?.httpStatus ?? 0),
    abortFraction: abort === undefined ? 0 : readFraction(abort.percentage),
  };
}
