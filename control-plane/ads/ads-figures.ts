import { DurationHistogram, durationBounds } from '../../src/telemetry/duration-histogram.js';
import { PUSH_ORDER, type ResourceKind } from '../../src/xds/resource-types.js';

const BOUNDS = durationBounds([1, 5, 10, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000]);

type CountByType = Record<ResourceKind, number>;

/** What clients were sent and what they answered, over all streams since the start. */
export class AdsFigures {
  readonly responses = noneOfEach();
  readonly acknowledgements = noneOfEach();
  readonly rejections = noneOfEach();
  /** Clients that were cut off because they did not read. */
  cutOff = 0;
  /** From a change until every connected client has been told, or is known not to keep up. */
  readonly pushes = new DurationHistogram(BOUNDS);
  /** From telling a client until it has answered all of it. */
  readonly answers = new DurationHistogram(BOUNDS);
}

function noneOfEach(): CountByType {
  return Object.fromEntries(PUSH_ORDER.map((kind) => [kind, 0])) as CountByType;
}
