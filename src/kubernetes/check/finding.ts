import { type KubeApi, KubeError, type KubeObject } from '../kube-client.js';

/** One thing that was looked at. */
export interface Finding {
  /** `wrong`: something does not work; `warning`: something will not, or may surprise. */
  readonly level: 'ok' | 'warning' | 'wrong';
  readonly what: string;
  /** What to do about it. */
  readonly remedy?: string;
}

/** Where the installation is, and which version looks at it. */
export interface CheckContext {
  readonly api: KubeApi;
  /** Of the control plane. */
  readonly namespace: string;
  /** Of this command. */
  readonly version: string;
  readonly nowMs: number;
}

export type Check = (context: CheckContext) => Promise<readonly Finding[]>;

export const ok = (what: string): Finding => ({ level: 'ok', what });
export const warning = (what: string, remedy: string): Finding => ({ level: 'warning', what, remedy });
export const wrong = (what: string, remedy: string): Finding => ({ level: 'wrong', what, remedy });

/** An object, or undefined if there is none. @throws KubeError */
export async function find(api: KubeApi, path: string): Promise<KubeObject | undefined> {
  try {
    return await api.get(path);
  } catch (error) {
    if (error instanceof KubeError && error.status === 404) return undefined;
    throw error;
  }
}

const PAGE = 500;

/** Every object of a list, page by page. @throws KubeError */
export async function listAll(api: KubeApi, path: string): Promise<KubeObject[]> {
  const items: KubeObject[] = [];
  for (let next = ''; ; ) {
    const question = path.includes('?') ? '&' : '?';
    const page = await api.get(`${path}${question}limit=${PAGE}${next}`);
    items.push(...((page.items as readonly KubeObject[] | undefined) ?? []));
    const token = textAt(page, 'metadata', 'continue');
    if (token === '') return items;
    next = `&continue=${encodeURIComponent(token)}`;
  }
}

/** A field of an object that may not be there. */
export function at(object: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined,
    object,
  );
}

export function textAt(object: unknown, ...path: readonly (string | number)[]): string {
  const value = at(object, ...path);
  return typeof value === 'string' ? value : '';
}

export function listAt(object: unknown, ...path: readonly (string | number)[]): readonly KubeObject[] {
  const value = at(object, ...path);
  return Array.isArray(value) ? (value as KubeObject[]) : [];
}

/** `a, b, c and 4 more` */
export function namesOf(names: readonly string[], most = 5): string {
  const more = names.length - most;
  return more > 0 ? `${names.slice(0, most).join(', ')} and ${more} more` : names.join(', ');
}
