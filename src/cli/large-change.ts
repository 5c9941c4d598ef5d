import { Progress } from './terminal.js';

/** Time for a call of everyday size: it is answered within milliseconds, so that a longer silence is a dead end. */
export const CALL_TIMEOUT_MS = 10_000;
/** What each part of a change adds to that: a slow machine that others use needs about half of it. */
const PART_MS = 3;

interface Sized {
  readonly spec?: {
    readonly routes?: readonly unknown[];
    readonly versions?: readonly { readonly endpoints?: readonly unknown[] }[];
  };
}

/** Services, routes and endpoints of documents, valid or not. */
export function sizeOf(documents: readonly unknown[]): number {
  return documents.reduce<number>((sum, document) => {
    const { routes, versions } = (document as Sized | null)?.spec ?? {};
    const endpoints = Array.isArray(versions) ? versions.map((version) => lengthOf(version?.endpoints)) : [];
    return sum + 1 + lengthOf(routes) + endpoints.reduce((all, count) => all + count, 0);
  }, 0);
}

/** How long a change of so many parts may take. */
export function allowanceMs(size: number): number {
  return CALL_TIMEOUT_MS + size * PART_MS;
}

/** How long a backup of so many bytes may take: packed, a route is some tens of them. */
export function restoreTimeoutMs(bytes: number): number {
  return allowanceMs(bytes / 30);
}

function lengthOf(list: unknown): number {
  return Array.isArray(list) ? list.length : 0;
}

/** How often people are told that something still goes on. */
const EVERY_MS = 500;

/** Shows on a terminal that something goes on, and for how long. */
export async function whileShown<T>(what: string, work: Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const progress = new Progress();
  const timer = setInterval(() => {
    progress.update(`${what} (${Math.round((performance.now() - startedAt) / 1000)} s)`);
  }, EVERY_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    progress.end();
  }
}
