import { RE2JS } from 're2js';
import { isTargetPath } from '../http/guarded-headers.js';
import type { Message } from './descriptors.js';
import { message, messages, type Problems, text } from './fields.js';
import { type RegexRewrite, readRegexRewrite } from './regex-rewrite.js';
import { type PathMatchConfig, readRuntimeFraction } from './route-match.js';
import { refuseUnsupported } from './unsupported.js';

/** What a route does to a request on its way. */

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
  /** Copies are for `HOST-shadow`, as Envoy has it unless told otherwise. */
  readonly marksHost: boolean;
}

/** @param match of the route: what a prefix takes the place of */
export function readRewrite(
  action: Message,
  match: PathMatchConfig,
  path: string,
  problems: Problems,
): RewriteConfig | undefined {
  const host = readHost(action.hostRewriteLiteral, `${path}.host_rewrite_literal`, problems);
  const rewrite = readPathRewrite(action, match, path, problems);
  return host === '' && rewrite === undefined ? undefined : { path: rewrite, host };
}

/** What may stand in `Host` and in a URL (RFC 9110 section 7.2), more or less. */
export function readHost(raw: unknown, path: string, problems: Problems): string {
  const host = text(raw);
  if (!/^[A-Za-z0-9._:[\]-]*$/.test(host)) problems.add(path, `"${host}" is not a host`);
  return host;
}

/** `regex_rewrite`, or `prefix_rewrite` as one: what the match took is replaced, a regular expression's being all. */
function readPathRewrite(
  raw: Message,
  match: PathMatchConfig,
  path: string,
  problems: Problems,
): RegexRewrite | undefined {
  const prefix = text(raw.prefixRewrite);
  if (prefix === '') return readRegex(raw.regexRewrite, `${path}.regex_rewrite`, problems);
  if (message(raw.regexRewrite)) problems.add(`${path}.prefix_rewrite`, 'goes without regex_rewrite');
  checkWritten([prefix], `${path}.prefix_rewrite`, problems);
  const matched =
    match.kind === 'regex' ? '.*' : `${match.ignoreCase ? '(?i)' : ''}${RE2JS.quote(match.value)}`;
  return { pattern: `^${matched}`, substitution: [prefix] };
}

function readRegex(raw: unknown, path: string, problems: Problems): RegexRewrite | undefined {
  const rewrite = readRegexRewrite(raw, path, problems);
  checkWritten(rewrite?.substitution ?? [], `${path}.substitution`, problems);
  return rewrite;
}

function checkWritten(parts: RegexRewrite['substitution'], path: string, problems: Problems): void {
  const written = parts.filter((part) => typeof part === 'string').join('');
  if (!isTargetPath(`/${written}`)) problems.add(path, 'has a character that no path may have');
}

const REDIRECT_STATUS: Readonly<Record<string, number>> = {
  MOVED_PERMANENTLY: 301,
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
};
const MAX_PORT = 65_535;

/** @param match as for {@link readRewrite} */
export function readRedirect(
  raw: Message,
  match: PathMatchConfig,
  path: string,
  problems: Problems,
): RedirectConfig {
  refuseUnsupported('envoy.config.route.v3.RedirectAction', raw, path, problems);
  const scheme = raw.httpsRedirect === true ? 'https' : text(raw.schemeRedirect);
  const newPath = text(raw.pathRedirect);
  const port = Number(raw.portRedirect ?? 0);
  if (!/^(?:https?)?$/.test(scheme)) problems.add(`${path}.scheme_redirect`, `"${scheme}" is not supported`);
  if (newPath !== '' && !isTargetPath(newPath))
    problems.add(`${path}.path_redirect`, 'is not a path; one with a query is not supported');
  if (port > MAX_PORT) problems.add(`${path}.port_redirect`, `${port} is not a port`);
  return {
    scheme,
    host: readHost(raw.hostRedirect, `${path}.host_redirect`, problems),
    port,
    path: newPath,
    rewrite: readPathRewrite(raw, match, path, problems),
    keepsQuery: raw.stripQuery !== true,
    status: REDIRECT_STATUS[text(raw.responseCode)] ?? 301,
  };
}

/** Reads the `request_mirror_policies` of any of the messages that have them. */
export function readMirrors(raw: Message, path: string, problems: Problems): MirrorConfig[] {
  return messages(raw.requestMirrorPolicies).map((policy, i) => {
    const at = `${path === '' ? '' : `${path}.`}request_mirror_policies[${i}]`;
    refuseUnsupported('envoy.config.route.v3.RouteAction.RequestMirrorPolicy', policy, at, problems);
    const cluster = text(policy.cluster);
    if (cluster === '') problems.add(`${at}.cluster`, 'is empty');
    return {
      cluster,
      fraction: readRuntimeFraction(policy.runtimeFraction, `${at}.runtime_fraction`, problems),
      marksHost: policy.disableShadowHostSuffixAppend !== true,
    };
  });
}
