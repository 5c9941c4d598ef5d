import { setTimeout as wait } from 'node:timers/promises';
import { BackOff } from '../../../src/lifecycle/back-off.js';
import { EtcdCallError } from './etcd-client.js';

const PAUSE_MS = { first: 50, max: 1000 } as const;

/**
 * Tries until it works, etcd refuses it for good, or the time is up. For what can be done twice without harm.
 *
 * @throws the last EtcdCallError
 */
export async function untilAnswered<T>(attempt: () => Promise<T>, withinMs: number): Promise<T> {
  const deadline = performance.now() + withinMs;
  const pauses = new BackOff(PAUSE_MS.first, PAUSE_MS.max);
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof EtcdCallError) || error.isFinal) throw error;
      const pause = pauses.next();
      if (performance.now() + pause >= deadline) throw error;
      await wait(pause);
    }
  }
}
