import type { Test } from 'tap';
import type { Imported } from '../../../src/import-ingress/import-ingress.js';

/**
 * Where a case of ingress-nginx is played: once on the decision function, once through a control plane and a
 * sidecar. Both are given manifests and asked as a client would ask.
 */
export interface World {
  /**
   * Imports these manifests together with EndpointSlices for the pods, and puts the one service that comes out in
   * force, replacing what was there.
   *
   * @param pods by Service; `p-1` is the first pod of Service p
   */
  apply(objects: readonly object[], pods?: Pods): Promise<Imported>;
  call(request?: CaseRequest): Promise<CaseAnswer>;
  /** The pods that one request is sent to while every pod answers 503 and the route retries. */
  attempts(request?: CaseRequest): Promise<readonly string[]>;
  /** The pod refuses connections from now on. */
  stop(pod: string): Promise<void>;
}

export type Pods = Readonly<Record<string, readonly string[]>>;
export const ONE_EACH: Pods = { p: ['p-1'], c: ['c-1'] };

export interface CaseRequest {
  /** Default: the primary's service name. */
  readonly host?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** `name=value` pairs. */
  readonly cookie?: string | undefined;
}

export interface CaseAnswer {
  readonly status: number;
  /** `p-1`; empty where no pod answered. */
  readonly pod: string;
  /** The whole `Set-Cookie` value. */
  readonly setCookie: string | undefined;
}

/** One case, and what becomes of it in Roost. `docs/from-ingress-nginx.md` has these in a table. */
export interface IngressCase {
  /** As in the list of facts: `38`, `D2`. */
  readonly id: string;
  /** The configuration, and what is asked. */
  readonly given: string;
  readonly there: string;
  /** Undefined: the same. */
  readonly here?: { readonly answer: string; readonly why: string };
  run(world: World, t: Test): Promise<void>;
}

export function releaseOf({ pod }: CaseAnswer): string {
  return pod.split('-')[0] ?? '';
}

/** What a client sends back: `name=value`. */
export function cookieOf({ setCookie }: CaseAnswer): string | undefined {
  return setCookie?.split(';')[0];
}

/** The attributes of a `Set-Cookie`, by lower-case name; a switch has an empty value. */
export function attributesOf({ setCookie = '' }: CaseAnswer): Map<string, string> {
  const parts = setCookie.split(';').slice(1);
  return new Map(
    parts.map((part) => {
      const [name = '', value = ''] = part.trim().split('=');
      return [name.toLowerCase(), value];
    }),
  );
}
