import { readBaggage, withBaggage } from '../../src/http/baggage.js';
import { headerName } from '../../src/http/header-name.js';
import { LANE_MEMBER } from '../../src/routing/decide.js';
import type { Release } from '../../src/routing/release.js';
import type { RequestView } from '../../src/routing/request-view.js';
import { KEYS_MEMBER } from '../session/trace-keys.js';
import { missingKeys } from '../session/trace-memory.js';
import type { TraceEntry } from '../session/trace-store.js';

const BAGGAGE = headerName('baggage');

/**
 * S8: the `baggage` that a request goes on with: the lane, and the keys that its trace arrived with and the app left
 * out.
 *
 * @param trace what its trace arrived with, where that is known
 * @returns undefined: as it is
 */
export function onwardBaggage(
  request: RequestView,
  release: Release | undefined,
  trace: TraceEntry | undefined,
): string | undefined {
  const own = request.header(BAGGAGE);
  const lane = laneFor(own ?? '', release, trace);
  const withLane = lane === '' ? own : withBaggage(own, LANE_MEMBER, lane);
  const keys = trace && missingKeys(request, trace);
  const all = keys === undefined ? withLane : withBaggage(withLane, KEYS_MEMBER, keys);
  return all === own ? undefined : all;
}

/** The lane of the chosen release; without one, that which the trace arrived with, unless the request has its own. */
function laneFor(own: string, release: Release | undefined, trace: TraceEntry | undefined): string {
  const chosen = release?.lane ?? '';
  if (chosen !== '' || trace === undefined) return chosen;
  return readBaggage(own, LANE_MEMBER) === undefined ? trace.lane : '';
}
