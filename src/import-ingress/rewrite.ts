import { isImplemented } from '../model/unsupported.js';
import type { PathInput, RouteInput } from './document.js';
import type { Ingress } from './ingress.js';

/** What `rewrite-target` makes of one path. */
export interface Rewritten {
  /** The path is a prefix, not the expression that it is written as. */
  readonly byPrefix: boolean;
  /** That prefix; undefined: every path. */
  readonly match: PathInput | undefined;
  /** Undefined: the app gets what was sent. */
  readonly rewrite: RouteInput['rewrite'];
}

/** `/shop(/|$)(.*)`, `/shop(?:/|$)(.*)`, `/shop/(.*)`, `/shop/?(.*)`: a prefix, and the rest in the last group. */
const PREFIX_AND_REST = /^((?:\/[\w.~-]+)*)(\((?:\?:)?\/\|\$\)|\/\??)\(\.\*\)\$?$/;
/** `/base/$2`: a prefix, and the rest. */
const NEW_PREFIX = /^((?:\/[\w.~-]+)*)\/\$([1-9])$/;

const WHOLE = 'a target without captures becomes rewrite.path';
const CAPTURES = `${WHOLE}, and one that puts the rest of a prefix, as in /shop(/|$)(.*), after another one rewrite.prefix; other captures have no counterpart`;

/** @returns a text: why a MeshService cannot rewrite this path so */
export function rewritePath(path: string, target: string): Rewritten | string {
  if (!target.startsWith('/')) return `"${target}" is not a path`;
  if (!target.includes('$')) return { byPrefix: false, match: undefined, rewrite: { path: target } };
  const [, from = '', separator] = PREFIX_AND_REST.exec(path) ?? [];
  const [, to = '', group] = NEW_PREFIX.exec(target) ?? [];
  if (separator === undefined || group !== (separator.startsWith('(/') ? '2' : '1')) return CAPTURES;
  const match = from === '' ? undefined : { prefix: from };
  return { byPrefix: true, match, rewrite: from === to ? undefined : { prefix: to === '' ? '/' : to } };
}

/** @returns undefined: the Ingress rewrites nothing here, or nothing that a MeshService can */
export function readRewrite(ingress: Ingress, path: string): Rewritten | undefined {
  const target = ingress.text('rewrite-target');
  if (target === undefined) return undefined;
  const rewritten = rewritePath(path, target);
  if (typeof rewritten !== 'string' && isImplemented('spec.routes[].rewrite')) return rewritten;
  const why = typeof rewritten === 'string' ? rewritten : 'routes[].rewrite is not implemented yet';
  const note = `on ${path} the app gets the path as it was sent: ${why}`;
  ingress.remark('rewrite-target', { outcome: 'none', becomes: '', note });
  return undefined;
}
