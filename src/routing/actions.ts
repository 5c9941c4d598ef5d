import type { RegexRewrite } from '../xds/regex-rewrite.js';
import type { RouteConfig } from '../xds/route.js';
import type { FaultConfig, HeaderChanges, RedirectConfig } from '../xds/route-changes.js';
import { compilePathRewrite } from './path-rewrite.js';
import type { RequestView } from './request-view.js';
import type { Release } from './table.js';

/**
 * What a route does to its requests and their responses beyond sending them somewhere, compiled when configuration
 * arrives. A route that does nothing of the kind has none of this, and its requests pay for none of it.
 */
export interface RouteActions {
  readonly request: RequestChanges | undefined;
  readonly response: FieldChanges | undefined;
  readonly redirect: Redirect | undefined;
  readonly fault: FaultConfig | undefined;
  readonly mirrors: readonly Mirror[];
}

/** Header fields to leave out and to add. */
export interface FieldChanges {
  /** Lower case. */
  readonly dropped: ReadonlySet<string>;
  /** Lines to add, each with its line end; latin-1. */
  readonly lines: string;
}

export interface RequestChanges {
  readonly fields: FieldChanges | undefined;
  /** Undefined: as it is. */
  readonly path: ((path: string) => string) | undefined;
  /** What `Host` says upstream; empty: what it said. */
  readonly host: string;
}

/** An answer that sends the caller elsewhere. */
export interface RedirectAnswer {
  readonly status: number;
  readonly location: string;
  /** More header lines, each with its line end. */
  readonly lines: string;
}

/** @param authority whom the request was for: `host` or `host:port` */
export type Redirect = (request: RequestView, authority: string) => RedirectAnswer;

/** Where copies of a route's requests go. */
export interface Mirror {
  readonly release: Release;
  /** 0 to 1. */
  readonly fraction: number;
}

/** @returns undefined where the route does nothing but send requests somewhere */
export function compileActions(
  config: RouteConfig,
  releaseOf: (cluster: string) => Release,
): RouteActions | undefined {
  const response = compileFields(config.responseHeaders);
  const actions = {
    request: compileRequest(config),
    response,
    redirect: config.redirect && compileRedirect(config.redirect, response?.lines ?? ''),
    fault: config.fault,
    mirrors: config.mirrors.map(({ cluster, fraction }) => ({ release: releaseOf(cluster), fraction })),
  };
  const { mirrors, ...others } = actions;
  const idle = mirrors.length === 0 && Object.values(others).every((action) => action === undefined);
  return idle ? undefined : actions;
}

function compileRequest({ requestHeaders, rewrite }: RouteConfig): RequestChanges | undefined {
  const fields = compileFields(requestHeaders);
  if (fields === undefined && rewrite === undefined) return undefined;
  return { fields, path: compileOptionalRewrite(rewrite?.path), host: rewrite?.host ?? '' };
}

function compileOptionalRewrite(rewrite: RegexRewrite | undefined) {
  return rewrite && compilePathRewrite(rewrite);
}

/** Envoy's order: what is to go goes first; then each addition in turn, where one in a field's place takes that of all before it. */
function compileFields({ changes, removed }: HeaderChanges): FieldChanges | undefined {
  if (changes.length === 0 && removed.length === 0) return undefined;
  const dropped = new Set(removed);
  let added: { readonly lower: string; readonly line: string }[] = [];
  for (const { name, value, kind } of changes) {
    const lower = name.toLowerCase();
    if (kind === 'set') {
      dropped.add(lower);
      added = added.filter((earlier) => earlier.lower !== lower);
    }
    added.push({ lower, line: `${name}: ${value}\r\n` });
  }
  return { dropped, lines: added.map(({ line }) => line).join('') };
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { http: 80, https: 443 };

function compileRedirect(config: RedirectConfig, lines: string): Redirect {
  const { status, keepsQuery } = config;
  const scheme = config.scheme || 'http';
  const rewritten = compileOptionalRewrite(config.rewrite);
  return (request, authority) => {
    const path = config.path !== '' ? config.path : (rewritten?.(request.path) ?? request.path);
    const query = keepsQuery && request.query !== '' ? `?${request.query}` : '';
    const to = redirectAuthority(config, scheme, authority);
    // RFC 9110 section 10.2.2: relative where the request named no host (HTTP/1.0) and the route names none.
    const origin = to === '' ? '' : `${scheme}://${to}`;
    return { status, location: `${origin}${path}${query}`, lines };
  };
}

/** The configured host has no port but the configured one; the request's own keeps its port unless the scheme changes. */
function redirectAuthority(
  { host, port, scheme: changed }: RedirectConfig,
  scheme: string,
  own: string,
): string {
  const bare = /^(\[[^\]]*\]|[^:]*)/.exec(own)?.[0] ?? own;
  const name = host !== '' ? host : bare;
  if (port !== 0) return port === DEFAULT_PORTS[scheme] ? name : `${name}:${port}`;
  return host !== '' || changed === 'https' ? name : own;
}

/** What a route does besides sending a request somewhere, for people. */
export function describeActions({ request, response, fault, mirrors }: RouteActions): string[] {
  const percent = (fraction: number) =>
    fraction === 1 ? '' : ` (${+(fraction * 100).toFixed(4)} % of requests)`;
  const lines: string[] = [];
  if (fault !== undefined && fault.delayMs > 0)
    lines.push(`delayed by ${fault.delayMs} ms${percent(fault.delayFraction)}`);
  if (fault !== undefined && fault.abortStatus !== 0)
    lines.push(`answered with status ${fault.abortStatus}${percent(fault.abortFraction)}`);
  if (request?.path !== undefined) lines.push('path rewritten');
  if (request !== undefined && request.host !== '') lines.push(`host rewritten to ${request.host}`);
  if (request?.fields !== undefined) lines.push('request headers changed');
  if (response !== undefined) lines.push('response headers changed');
  for (const { release, fraction } of mirrors) lines.push(`copied to ${release.name}${percent(fraction)}`);
  return lines;
}
