import type { Endpoint } from './endpoint-set.js';
import { holdsSomething } from './hold.js';
import { type Pin, releaseDigest } from './pins.js';
import type { ChosenRelease, Question, Target } from './question.js';
import type { Release } from './release.js';
import type { Affinity } from './table.js';

/** What a session is to be pinned to, beside the endpoint that answers. */
export interface NewPin {
  /** Digest of the release for this kind of pin; 0: the endpoint alone. */
  readonly release: number;
  /** A label made it. */
  readonly label: boolean;
  /**
   * The endpoint of the pin that it would replace. Other sidecars may find that one usable: the session is pinned again
   * once they agree that it is not.
   */
  readonly onceLost?: Endpoint;
}

/** S4 and S6: whether the session gets a new pin, and to what. */
export function choosePin(
  question: Question,
  wanted: ChosenRelease,
  target: Target,
  endpoint: Endpoint,
): NewPin | undefined {
  const { session, pin, route } = question;
  const { affinity } = route;
  if (affinity === undefined) return undefined;
  // The response may begin a session, where its key is a cookie that the app sets.
  if (session === undefined && affinity.keys.appCookies.length === 0) return undefined;
  const named = wanted.reason === 'named';
  // S8: a lane changes no pin. `pin: false` on a route that names a release: neither does the route.
  if (wanted.reason === 'lane' || (named && !route.pins)) return undefined;
  const failedOver = target.release !== wanted.release;
  if (failedOver && holdsSomething(question) && !isLostForGood(wanted.release, affinity, question))
    return undefined;
  // A label is a condition: an unconditional route that lists one release is the whole service's split.
  const label = named && route.condition !== undefined;
  const byLabel = label || (pin?.label === true && wanted.held === wanted.release);
  const holdsRelease = affinity.version === 'persistent' || (affinity.version === 'balanced' && byLabel);
  const holdsEndpoint = affinity.endpoint === 'persistent';
  if (!holdsRelease && !holdsEndpoint && !isEvictedLabel(question, affinity, wanted)) return undefined;
  const release = holdsRelease ? releaseDigest(target.release, byLabel) : 0;
  const releaseRight = holdsRelease
    ? pin !== undefined &&
      isOn(target.release, pin) &&
      (pin.label || !byLabel || affinity.version !== 'balanced')
    : pin?.release === 0;
  const pinned = target.pinned >= 0 ? target.release.cluster.endpoints.at(target.pinned) : undefined;
  if (!releaseRight || pinned === undefined) return { release, label: byLabel };
  if (!holdsEndpoint || pinned === endpoint) return undefined;
  return pinned.fleetView === 'disputed'
    ? { release, label: byLabel, onceLost: pinned }
    : { release, label: byLabel };
}

function isOn(release: Release, pin: Pin): boolean {
  return pin.release === releaseDigest(release, pin.label);
}

/** Under `balanced`, a label's pin to a release that has left the split is taken back, so that it cannot revive. */
function isEvictedLabel({ pin }: Question, affinity: Affinity, { held }: ChosenRelease): boolean {
  return pin?.label === true && pin.release !== 0 && affinity.version === 'balanced' && held === undefined;
}

/**
 * S4 rule 5: a pinned session follows its failover only once its release has been gone for a while, and not from this
 * sidecar alone.
 */
function isLostForGood(lost: Release, affinity: Affinity, { context }: Question): boolean {
  const { unusableSinceMs: since, endpoints } = lost.cluster;
  if (since === undefined || context.nowMs - since < affinity.failoverRepinMs) return false;
  return !endpoints.endpoints.some(({ fleetView }) => fleetView === 'disputed');
}
