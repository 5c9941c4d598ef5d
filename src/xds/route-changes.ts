import { RE2JS } from 're2js';
import { type Message, unpackAny } from './descriptors.js';
import { durationMs, message, messages, type Problems, text } from './fields.js';
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

/** `$0`–`$9` in the substitution stand for groups of the pattern. */
export interface PathRewrite {
  readonly pattern: string;
  readonly substitution: string;
}

export interface RewriteConfig {
  readonly path: PathRewrite | undefined;
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
  readonly rewrite: PathRewrite | undefined;
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
export function readHeaderChanges(raw: Message, which: 'request' | 'response'): HeaderChanges {
  const added = messages(raw[`${which}HeadersToAdd`]).map((option): HeaderChange => {
    const header = message(option.header);
    const overwrites = text(option.appendAction).startsWith('OVERWRITE');
    return { name: text(header?.key), value: text(header?.value), kind: overwrites ? 'set' : 'add' };
  });
  const removed = ((raw[`${which}HeadersToRemove`] as string[] | undefined) ?? []).map((name) =>
    name.toLowerCase(),
  );
  return added.length === 0 && removed.length === 0 ? NO_CHANGES : { changes: added, removed };
}

export function readRewrite(action: Message, path: string, problems: Problems): RewriteConfig | undefined {
  const host = text(action.hostRewriteLiteral);
  const regex = readPathRewrite(action.regexRewrite, `${path}.regex_rewrite`, problems);
  if (text(action.prefixRewrite) !== '')
    problems.add(`${path}.prefix_rewrite`, 'is not supported; use regex_rewrite');
  return host === '' && regex === undefined ? undefined : { path: regex, host };
}

function readPathRewrite(raw: unknown, path: string, problems: Problems): PathRewrite | undefined {
  const rewrite = message(raw);
  if (rewrite === undefined) return undefined;
  const pattern = text(message(rewrite.pattern)?.regex);
  try {
    RE2JS.compile(pattern);
  } catch (cause) {
    problems.add(`${path}.pattern`, `is no RE2 regular expression: ${(cause as Error).message}`);
  }
  // Envoy writes groups as \1; the engine here as $1.
  const substitution = text(rewrite.substitution)
    .replaceAll('$', '$$$$')
    .replace(/\\(\d)/g, '$$$1')
    .replaceAll('\\\\', '\\');
  return { pattern, substitution };
}

const REDIRECT_STATUS: Readonly<Record<string, number>> = {
  MOVED_PERMANENTLY: 301,
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
};

export function readRedirect(raw: Message, path: string, problems: Problems): RedirectConfig {
  return {
    scheme: raw.httpsRedirect === true ? 'https' : text(raw.schemeRedirect),
    host: text(raw.hostRedirect),
    port: Number(raw.portRedirect ?? 0),
    path: text(raw.pathRedirect),
    rewrite: readPathRewrite(raw.regexRewrite, `${path}.regex_rewrite`, problems),
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
