import { headerName } from '../../src/http/header-name.js';
import { splitWithoutLabels } from '../../src/routing/hold.js';
import type { RequestView } from '../../src/routing/request-view.js';
import type { Affinity, Route, VirtualHost } from '../../src/routing/table.js';
import type { SessionChange } from './session-plan.js';

const BAGGAGE = headerName('baggage');

/** Numbers for objects that compilation makes once for all routes that are alike in them. */
const numbers = new WeakMap<object, number>();
let lastNumber = 0;

function numberOf(object: object | undefined): number {
  if (object === undefined) return 0;
  const known = numbers.get(object) ?? ++lastNumber;
  numbers.set(object, known);
  return known;
}

/** All that the fate of a session on two routes depends on, beside the session itself: the same text, the same fate. */
export function situationOf({ now, later, old, next, request }: SessionChange): string {
  return JSON.stringify([placingOf(now.host, old, request), placingOf(later.host, next, request)]);
}

/** Which sessions there are, and which of them are known on the other side. */
export function identityOf(old: Affinity | undefined, next: Affinity | undefined): string {
  return `${numberOf(old)} ${numberOf(next)}`;
}

function placingOf(host: VirtualHost, route: Route, request: RequestView): unknown[] {
  const { split, affinity, pins, condition } = route;
  const context = { nowMs: 0, random: () => 0, findPin: () => undefined };
  const isNamed = split.releases.length === 1;
  return [
    numberOf(split),
    isNamed ? numberOf(splitWithoutLabels({ host, route, request, context })) : 0,
    [pins, condition === undefined],
    affinity && [affinity.version, affinity.endpoint, affinity.sessionFirst, affinity.failoverAny],
    affinity?.followLanes === true && host.service.hasLanes ? request.header(BAGGAGE) : undefined,
  ];
}
