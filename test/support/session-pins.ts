import { SessionPins } from '../../sidecar/session/session-pins.js';
import { SessionTable } from '../../sidecar/session/session-table.js';

/** A response that sets no cookie. */
export const NO_COOKIES = { headerValues: () => [] };

/** A response that sets these. */
export function setting(...cookies: readonly string[]) {
  return { headerValues: () => cookies };
}

/** Pins kept on a clock that stands still. */
export function pinsFor(
  capacity: number,
  wallMs = () => 0,
  onCookieOfApp?: (service: string) => void,
): SessionPins {
  const table = new SessionTable(capacity, 0);
  return new SessionPins({ table, nowMs: () => 0, wallMs, ...(onCookieOfApp && { onCookieOfApp }) });
}
