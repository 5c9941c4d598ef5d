import { createHmac } from 'node:crypto';
import type { TranslateContext } from './policy.js';

/**
 * Tells what is served under a name from what was served under it before it was deleted, though it be the same:
 * grpc-js ignores for ever a listener or a cluster that comes back just as it was. The secret is in it, since a
 * control plane that has lost its data counts from the beginning.
 *
 * @param name of the resource, with its kind
 * @param incarnation of what it stands for
 */
export function markOf(name: string, incarnation: string, { pinSecret }: TranslateContext): Buffer {
  return createHmac('sha256', pinSecret).update(`mark\0${name}\0${incarnation}`).digest();
}
