import type { MeshService } from './mesh-service.js';

/**
 * `salt: auto` (S4 rule 4): each rollout of a service draws a sample of its sessions. A rollout is under way while some
 * route gives weights to two releases or more. Sessions belong to the service and not to one of its routes, so there is
 * one sample, and it stays for as long as any route splits: a session's slot is the same on all of them.
 */

/** Value of `affinity.salt` that asks for it. */
export const AUTO_SALT = 'auto';

interface Splits {
  readonly routes?:
    | readonly { readonly split?: readonly { readonly weight: number }[] | undefined }[]
    | undefined;
}

/** Routes that name one release, labels among them, split nothing; nor do drained releases. */
export function isRollingOut({ routes = [] }: Splits): boolean {
  return routes.some(({ split = [] }) => split.filter(({ weight }) => weight > 0).length > 1);
}

/** A service in force, and the revision at which its rollout began. */
interface Present {
  /** Undefined: the control plane cannot read the document any more. */
  readonly service: MeshService | undefined;
  readonly rollout?: number | undefined;
}

/**
 * The revision at which the rollout of a service began, once a change is made. Undefined: none is under way, or it
 * began before control planes stored that.
 *
 * @param before undefined: the service is new
 * @param revision of the change
 */
export function rolloutAfter(
  before: Present | undefined,
  { spec }: MeshService,
  revision: number,
): number | undefined {
  if (!isRollingOut(spec)) return undefined;
  if (before?.service === undefined) return before?.rollout ?? revision;
  return isRollingOut(before.service.spec) ? before.rollout : revision;
}

/** The salt of a service at present; empty: none. @param rollout when its rollout began, where that is known */
export function saltOf({ spec }: MeshService, rollout: number | undefined): string {
  const salt = spec.affinity?.salt ?? '';
  if (salt !== AUTO_SALT) return salt;
  if (!isRollingOut(spec)) return '';
  return rollout === undefined ? AUTO_SALT : `${AUTO_SALT}:${rollout}`;
}
