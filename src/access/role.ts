/** What a credential may do on the control plane; each of the first three may do what those before it may. */
export const ROLES = ['read', 'operate', 'admin', 'sidecar'] as const;

/**
 * `read` looks, `operate` also moves traffic between releases, `admin` also changes what there is. `sidecar` is
 * for data planes: discovery and load reports, and nothing of the configuration API.
 */
export type Role = (typeof ROLES)[number];

const RANK = { read: 1, operate: 2, admin: 3 } as const;

/** Whether one role is enough where another is asked for. `sidecar` neither includes another nor is included. */
export function includesRole(role: Role, needed: Role): boolean {
  if (role === 'sidecar' || needed === 'sidecar') return role === needed;
  return RANK[role] >= RANK[needed];
}

/** As a namespace of a credential: every one, those to come included. */
export const ALL_NAMESPACES = '*';
