import { type Field, isField, NO_FIELDS } from '../http/field-line.js';
import type { FaultConfig } from '../xds/fault.js';
import type { HeaderChanges } from '../xds/header-changes.js';
import type { RegexRewrite } from '../xds/regex-rewrite.js';
import type { RouteConfig } from '../xds/route.js';
import type { RedirectConfig } from '../xds/route-changes.js';
import { compilePathRewrite } from './path-rewrite.js';
import type { Release } from './release.js';
import type { RequestView } from './request-view.js';

/**
 * What a route does to its requests and their responses beyond sending them somewhere, compiled when configuration
 * arrives. A route that does nothing of the kind has none of this, and its requests pay for none of it.
 */
export interface RouteActions extends MessageChanges {
  /** In the place of the others for requests that go to these releases; undefined: of none. */
  readonly byRelease: ReadonlyMap<Release, MessageChanges> | undefined;
  readonly redirect: Redirect | undefined;
  readonly fault: FaultConfig | undefined;
  readonly mirrors: readonly Mirror[];
}

/** What becomes of the messages of an exchange. */
export interface MessageChanges {
  readonly request: RequestChanges | undefined;
  readonly response: FieldChanges | undefined;
}

/** Header fields to leave out and to add. */
export interface FieldChanges {
  /** Lower case. */
  readonly dropped: ReadonlySet<string>;
  readonly added: readonly Field[];
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
  /** More header fields. */
  readonly fields: readonly Field[];
}

/** @param ownName of the service, for requests that name no host */
export type Redirect = (request: RequestView, ownName?: string) => RedirectAnswer;

/** Where copies of a route's requests go. */
export interface Mirror {
  readonly release: Release;
  /** 0 to 1. */
  readonly fraction: number;
  /** The copy is for `HOST-shadow`. */
  readonly marksHost: boolean;
}

/**
 * @param listenersFault for routes that say nothing of faults
 * @returns undefined where the route does nothing but send requests somewhere
 */
export function compileActions(
  config: RouteConfig,
  releaseOf: (cluster: string) => Release,
  listenersFault: FaultConfig | undefined,
): RouteActions | undefined {
  const { headers, redirect, fault = listenersFault } = config;
  const response = compileFields(headers.response);
  const actions = {
    request: compileRequest(headers.request, config, ''),
    response,
    byRelease: compileByRelease(config, releaseOf),
    redirect: redirect && compileRedirect(redirect, response?.added ?? NO_FIELDS),
    fault: fault === 'disabled' ? undefined : fault,
    mirrors: config.mirrors.map(({ cluster, ...mirror }) => ({ release: releaseOf(cluster), ...mirror })),
  };
  const { mirrors, ...others } = actions;
  const idle = mirrors.length === 0 && Object.values(others).every((action) => action === undefined);
  return idle ? undefined : actions;
}

/** What becomes of the messages of an exchange with a release. */
export function changesWith(
  actions: RouteActions | undefined,
  release: Release | undefined,
): MessageChanges | undefined {
  return (release && actions?.byRelease?.get(release)) ?? actions;
}

function compileByRelease(
  config: RouteConfig,
  releaseOf: (cluster: string) => Release,
): RouteActions['byRelease'] {
  const own = config.split.flatMap(({ cluster, own }): [Release, MessageChanges][] => {
    if (own === undefined) return [];
    const request = compileRequest(own.headers.request, config, own.host);
    return [[releaseOf(cluster), { request, response: compileFields(own.headers.response) }]];
  });
  return own.length === 0 ? undefined : new Map(own);
}

/** @param ownHost goes before the route's; empty: none */
function compileRequest(
  headers: readonly HeaderChanges[],
  { rewrite }: RouteConfig,
  ownHost: string,
): RequestChanges | undefined {
  const fields = compileFields(headers);
  const host = ownHost || (rewrite?.host ?? '');
  if (fields === undefined && rewrite === undefined && host === '') return undefined;
  return { fields, path: compileOptionalRewrite(rewrite?.path), host };
}

function compileOptionalRewrite(rewrite: RegexRewrite | undefined) {
  return rewrite && compilePathRewrite(rewrite);
}

/**
 * Envoy's order: level by level, and in each what is to go goes first; then each addition in turn, where one in a
 * field's place takes that of all before it.
 */
function compileFields(levels: readonly HeaderChanges[]): FieldChanges | undefined {
  if (levels.length === 0) return undefined;
  const dropped = new Set<string>();
  let added: Field[] = [];
  const drop = (lower: string) => {
    dropped.add(lower);
    added = added.filter(([earlier]) => earlier.toLowerCase() !== lower);
  };
  for (const { changes, removed } of levels) {
    for (const lower of removed) drop(lower);
    for (const { name, value, kind } of changes) {
      if (kind === 'set') drop(name.toLowerCase());
      // A message without the field does less harm than one that is cut in two.
      if (isField(name, value)) added.push([name, value]);
    }
  }
  return { dropped, added };
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = { http: 80, https: 443 };

function compileRedirect(config: RedirectConfig, fields: readonly Field[]): Redirect {
  const { status, keepsQuery } = config;
  const scheme = config.scheme || 'http';
  const rewritten = compileOptionalRewrite(config.rewrite);
  return (request, ownName = '') => {
    const path = config.path !== '' ? config.path : (rewritten?.(request.path) ?? request.path);
    const query = keepsQuery && request.query !== '' ? `?${request.query}` : '';
    const to = redirectAuthority(config, scheme, request.authority || ownName);
    // RFC 9110 section 10.2.2: relative where the request named no host (HTTP/1.0) and the route names none.
    const origin = to === '' ? '' : `${scheme}://${to}`;
    return { status, location: `${origin}${path}${query}`, fields };
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
export function describeActions({ request, response, byRelease, fault, mirrors }: RouteActions): string[] {
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
  for (const [release] of byRelease ?? []) lines.push(`messages changed for ${release.name}`);
  for (const { release, fraction } of mirrors) lines.push(`copied to ${release.name}${percent(fraction)}`);
  return lines;
}
