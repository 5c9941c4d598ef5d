import type { Logger } from '../../../src/telemetry/logger.js';
import { PinStore } from './pin-store.js';
import { RedisClient } from './redis-client.js';
import { storeName } from './redis-options.js';
import type { SessionStore, SessionStoreEvents, SessionStoreOptions } from './session-store.js';

/**
 * Opens the store; returns at once, and connects meanwhile. The client library is loaded here, and nowhere else.
 *
 * @throws OperatorError where a file that the options name cannot be read
 */
export function openSessionStore(
  options: SessionStoreOptions,
  log: Pick<Logger, 'info' | 'warn'>,
  events: SessionStoreEvents,
): SessionStore {
  const client = new RedisClient(options);
  return new PinStore({ client, timeoutMs: options.timeoutMs, name: storeName(options), log, events });
}
