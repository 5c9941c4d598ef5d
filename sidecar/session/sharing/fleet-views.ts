import type { FleetView } from '../../../src/routing/endpoint-set.js';
import {
  complaintsIn,
  isComplaint,
  readCounts,
  VIEW_LIFE_MS,
  VIEW_RENEWAL_MS,
  type View,
  type ViewCounts,
} from '../../../src/sessions/endpoint-view.js';
import type { Message } from '../../../src/xds/descriptors.js';
import { messages, text } from '../../../src/xds/fields.js';
import type { Trouble } from '../../cluster/upstream-endpoint.js';

/** An endpoint, as far as sidecars may see it differently. */
export interface ViewedEndpoint {
  readonly address: string;
  /** The address is not configured any more. */
  readonly isRetired: boolean;
  readonly trouble: Trouble | undefined;
  fleetView: FleetView | undefined;
  /** It has answered well lately, and not badly since. */
  readonly isAnswering: boolean;
  /** Good answers; counted from 0 again now and then. */
  readonly successes: number;
  readonly passesChecks: boolean;
}

/** An endpoint's name among sidecars. */
export interface SharedEndpointName {
  readonly service: string;
  readonly digest: number;
}

/** Which endpoints are shared by which names, as of the routing table of this instant. */
export interface EndpointNames<E> {
  /** Undefined: its service shares no pins. */
  nameOf(cluster: string, address: string): SharedEndpointName | undefined;
  find(name: SharedEndpointName): { readonly cluster: string; readonly endpoint: E } | undefined;
}

export interface FleetViewsOptions<E> {
  nowMs(): number;
  /** All endpoints that this sidecar has found something wrong with. */
  troubled(): Iterable<{ readonly cluster: string; readonly endpoint: E }>;
  /** Tries to reach an endpoint that this sidecar has nothing against. @param done told once */
  ask(endpoint: E, appRefuses: boolean, done: (isReached: boolean) => void): void;
  /**
   * Another sidecar can use an endpoint again that this one cannot.
   *
   * @param outForMs how long others had it ejected, as far as this sidecar was told
   */
  hurry(cluster: string, endpoint: E, outForMs: number): void;
  /** {@link ViewedEndpoint.fleetView} is another, for another reason than that the endpoint's trouble is. */
  onFleetView(cluster: string, endpoint: E): void;
}

/** How long other sidecars have to say what they see: they may have to wait for a connection. */
export const SETTLING_MS = 3000;
/** Endpoints of which something is said; of more, this sidecar goes by what it sees itself. */
const MOST_VIEWED = 1000;
/** Endpoints asked at once because others complain of them. */
const MOST_ASKED = 64;
/** What others say makes this sidecar ask one endpoint so often at most. */
const HURRY_EVERY_MS = 1000;

const NOWHERE: EndpointNames<never> = { nameOf: () => undefined, find: () => undefined };
const COMPLAINTS: Readonly<Record<Trouble, View>> = {
  unreachable: 'UNREACHABLE',
  'app-refuses': 'APP_REFUSES',
  ejected: 'EJECTED',
  'failing-checks': 'FAILING_CHECKS',
};

interface Viewed<E> extends SharedEndpointName {
  readonly cluster: string;
  readonly endpoint: E;
  said: View | undefined;
  saidAtMs: number;
  /** What came of asking it. */
  answer: View | undefined;
  answeredAtMs: number;
  /** The endpoint's good answers at that time. */
  successesThen: number;
  isAsked: boolean;
  troubledSinceMs: number | undefined;
  hurriedAtMs: number;
  othersEjectSinceMs: number | undefined;
  counts: ViewCounts | undefined;
  countedAtMs: number;
}

/**
 * What this sidecar and the others that call a service make of its endpoints. A sidecar uses what it can itself,
 * whatever others say: they decide together only whether sessions are to leave an endpoint for good, and tell each other
 * when it is back.
 */
export class FleetViews<E extends ViewedEndpoint> {
  names: EndpointNames<E> = NOWHERE;
  private readonly viewed = new Map<string, Viewed<E>>();
  /** How many sidecars may have a view, this one included, by service. Those that this sidecar follows. */
  private readonly sidecars = new Map<string, number>();
  private isSharing = false;
  private asked = 0;

  constructor(private readonly options: FleetViewsOptions<E>) {}

  /** Endpoints that sidecars see differently, of those that this one cannot use. */
  get disputed(): number {
    return [...this.viewed.values()].filter(({ endpoint }) => endpoint.fleetView === 'disputed').length;
  }

  /** The endpoint's trouble may be another. Before a decision looks at it. */
  onCondition(cluster: string, endpoint: E): void {
    if (endpoint.trouble === undefined) endpoint.fleetView = undefined;
    const name = this.isSharing ? this.names.nameOf(cluster, endpoint.address) : undefined;
    if (name === undefined) return;
    const viewed = this.viewed.get(keyOf(name));
    if (viewed?.endpoint === endpoint) this.judge(viewed);
    else if (endpoint.trouble !== undefined) this.watch(name, cluster, endpoint);
  }

  /** The control plane has greeted this sidecar. @param hasViews it passes views on */
  onGreeting(hasViews: boolean): void {
    this.isSharing = hasViews;
    if (!hasViews) return;
    for (const { cluster, endpoint } of this.options.troubled()) {
      this.onCondition(cluster, endpoint);
      this.options.onFleetView(cluster, endpoint);
    }
  }

  /** Until sharing works again, this sidecar goes by what it sees itself. */
  onLost(): void {
    this.isSharing = false;
    for (const { cluster, endpoint } of this.viewed.values()) {
      if (endpoint.fleetView === undefined) continue;
      endpoint.fleetView = undefined;
      this.options.onFleetView(cluster, endpoint);
    }
    this.viewed.clear();
    this.sidecars.clear();
  }

  onResponse(services: readonly Message[]): void {
    for (const { service, sidecars, endpoints } of services) {
      this.sidecars.set(text(service), Number(sidecars ?? 0));
      for (const raw of messages(endpoints)) {
        const name = { service: text(service), digest: Number(raw.endpoint) };
        const viewed = this.viewed.get(keyOf(name)) ?? this.learn(name, readCounts(raw));
        if (viewed !== undefined) this.take(viewed, raw);
      }
    }
  }

  /** What there is to be said now. Called on the coarse clock's tick. */
  tick(): object[] {
    const said: object[] = [];
    if (!this.isSharing) return said;
    const nowMs = this.options.nowMs();
    for (const [key, viewed] of this.viewed) {
      if (nowMs - viewed.countedAtMs >= VIEW_LIFE_MS) viewed.counts = undefined;
      this.rejudge(viewed);
      const view = this.viewFrom(viewed, nowMs);
      const isDue = view !== viewed.said || nowMs - viewed.saidAtMs >= VIEW_RENEWAL_MS;
      if (view !== undefined && isDue) {
        said.push({ service: viewed.service, endpoint: viewed.digest, view });
        viewed.said = view;
        viewed.saidAtMs = nowMs;
      }
      if (isOver(viewed)) this.viewed.delete(key);
    }
    return said;
  }

  /** Others complain of an endpoint that this sidecar has said nothing of. */
  private learn(name: SharedEndpointName, counts: ViewCounts): Viewed<E> | undefined {
    if (complaintsIn(counts) === 0) return undefined;
    const found = this.names.find(name);
    return found && this.watch(name, found.cluster, found.endpoint);
  }

  private watch(name: SharedEndpointName, cluster: string, endpoint: E): Viewed<E> | undefined {
    const key = keyOf(name);
    if (this.viewed.size >= MOST_VIEWED && !this.viewed.has(key)) return undefined;
    const viewed: Viewed<E> = {
      ...{ ...name, cluster, endpoint, isAsked: false },
      ...{ said: undefined, saidAtMs: 0, answer: undefined, answeredAtMs: Number.NEGATIVE_INFINITY },
      successesThen: 0,
      ...{ troubledSinceMs: undefined, hurriedAtMs: Number.NEGATIVE_INFINITY },
      ...{ othersEjectSinceMs: undefined, counts: undefined, countedAtMs: 0 },
    };
    this.viewed.set(key, viewed);
    this.judge(viewed);
    return viewed;
  }

  private take(viewed: Viewed<E>, raw: Message): void {
    const { cluster, endpoint } = viewed;
    const nowMs = this.options.nowMs();
    viewed.counts = readCounts(raw);
    viewed.countedAtMs = nowMs;
    if (raw.recovered === true && nowMs - viewed.hurriedAtMs >= HURRY_EVERY_MS) {
      viewed.hurriedAtMs = nowMs;
      viewed.answeredAtMs = Number.NEGATIVE_INFINITY;
      if (endpoint.trouble !== undefined)
        this.options.hurry(cluster, endpoint, nowMs - (viewed.othersEjectSinceMs ?? nowMs));
    }
    const ejectedElsewhere = viewed.counts.ejected - Number(viewed.said === 'EJECTED');
    viewed.othersEjectSinceMs = ejectedElsewhere > 0 ? (viewed.othersEjectSinceMs ?? nowMs) : undefined;
    this.rejudge(viewed);
  }

  /** Decides again whether sidecars agree, and says so where that is not what it was. */
  private rejudge(viewed: Viewed<E>): void {
    const before = viewed.endpoint.fleetView;
    this.judge(viewed);
    if (viewed.endpoint.fleetView !== before) this.options.onFleetView(viewed.cluster, viewed.endpoint);
  }

  private judge(viewed: Viewed<E>): void {
    const { endpoint } = viewed;
    if (endpoint.trouble === undefined) {
      viewed.troubledSinceMs = undefined;
      endpoint.fleetView = undefined;
      return;
    }
    viewed.troubledSinceMs ??= this.options.nowMs();
    endpoint.fleetView = this.areAgreed(viewed, viewed.troubledSinceMs) ? 'agreed' : 'disputed';
  }

  /**
   * More than two thirds of the sidecars that have a view cannot use it: one in trouble and one that lies are not enough
   * against a third. This sidecar cannot, whether or not that has been counted.
   */
  private areAgreed({ service, counts }: Viewed<E>, sinceMs: number): boolean {
    const sidecars = this.sidecars.get(service) ?? 0;
    const bad = Math.max(1, counts === undefined ? 0 : complaintsIn(counts));
    const good = counts?.good ?? 0;
    const haveSaid = sidecars > 0 && bad + good + (counts?.unknown ?? 0) >= sidecars;
    return bad > 2 * good && (haveSaid || this.options.nowMs() - sinceMs >= SETTLING_MS);
  }

  /** @returns undefined: there is nothing to be said, or not yet */
  private viewFrom(viewed: Viewed<E>, nowMs: number): View | undefined {
    const { endpoint, counts, said } = viewed;
    if (endpoint.trouble !== undefined) {
      viewed.answer = undefined;
      return COMPLAINTS[endpoint.trouble];
    }
    if (isComplaint(said) && viewed.answer !== said) {
      // It was this sidecar's own, and is over.
      viewed.answer = 'GOOD';
      viewed.answeredAtMs = nowMs;
      return 'GOOD';
    }
    if (counts === undefined || complaintsIn(counts) === 0) return undefined;
    if (counts.unreachable + counts.appRefuses > 0) {
      viewed.successesThen = Math.min(viewed.successesThen, endpoint.successes);
      // Calls have got through since it was asked: others need not wait until it is asked again.
      if (isComplaint(viewed.answer) && endpoint.isAnswering && endpoint.successes > viewed.successesThen)
        viewed.answer = 'GOOD';
      if (nowMs - viewed.answeredAtMs >= VIEW_RENEWAL_MS) this.ask(viewed, counts);
      return viewed.answer;
    }
    if (endpoint.isAnswering || (counts.failingChecks > 0 && endpoint.passesChecks)) return 'GOOD';
    return 'UNKNOWN';
  }

  private ask(viewed: Viewed<E>, counts: ViewCounts): void {
    if (viewed.isAsked || this.asked >= MOST_ASKED) return;
    viewed.isAsked = true;
    this.asked++;
    const appRefuses = counts.unreachable === 0;
    this.options.ask(viewed.endpoint, appRefuses, (isReached) => {
      this.asked--;
      viewed.isAsked = false;
      viewed.answeredAtMs = this.options.nowMs();
      viewed.successesThen = viewed.endpoint.successes;
      if (isReached) viewed.answer = 'GOOD';
      else viewed.answer = appRefuses ? 'APP_REFUSES' : 'UNREACHABLE';
    });
  }
}

function keyOf({ service, digest }: SharedEndpointName): string {
  return `${service} ${digest}`;
}

/** No sidecar complains of it any more, and all that had to know of that have been told. */
function isOver({ endpoint, counts, said }: Viewed<ViewedEndpoint>): boolean {
  if (endpoint.isRetired) return true;
  const isContested = counts !== undefined && complaintsIn(counts) > 0;
  return endpoint.trouble === undefined && !isComplaint(said) && !isContested;
}
