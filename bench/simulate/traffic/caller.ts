import { newSessionKey, RANDOM_BYTES } from '../../../src/routing/session-cookie.js';
import type { Fleet } from '../fleet/fleet.js';
import type { SimSidecar } from '../fleet/sim-sidecar.js';
import { hashOf, saltSeed } from '../oracle/hash.js';
import type { Call, Oracle } from '../oracle/oracle.js';
import { routeFor } from '../oracle/reading.js';
import type { Random } from '../random.js';
import {
  LABEL_HEADER,
  LABELS,
  type Traits,
  USER_HEADER,
  USER_MEMBER,
  USER_PARAMETER,
} from '../world/traits.js';
import type { Sessions } from './sessions.js';
import { SimRequest } from './sim-request.js';

/** Share of requests that carry a label or a lane, where the service knows such. */
const CHANCE = { label: 0.04, lane: 0.04, unknownLane: 0.01 };

export interface PreparedCall {
  readonly call: Call;
  readonly request: SimRequest;
  readonly authority: string;
}

/** Makes the requests of sessions, and tells the oracle of sessions that begin with one. */
export class Caller {
  private readonly request = new SimRequest();
  private readonly authorities: readonly (readonly string[])[];

  constructor(
    private readonly parts: {
      readonly sessions: Sessions;
      readonly fleet: Fleet;
      readonly oracle: Oracle;
      readonly random: Random;
    },
    traits: readonly Traits[],
  ) {
    this.authorities = traits.map(({ name, namespace }) => [
      `${name}.${namespace}`,
      `${name}.${namespace}:8080`,
      `${name}.${namespace}.svc`,
      `${name}.${namespace}.svc.cluster.local:8080`,
    ]);
  }

  /** @param isFirst the session has never called before */
  prepare(session: number, isFirst: boolean, nowMs: number): PreparedCall {
    const { sessions, fleet, random } = this.parts;
    const traits = sessions.traitsOf(session);
    const carrier = sessions.carrierOf(session);
    const sidecar = fleet.podFor(carrier === 'cookie' ? undefined : sessions.callerOf(session), random);
    const label = this.labelFor(traits);
    const lane = this.laneFor(traits);
    const { read } = (sidecar.services[traits.index] as SimSidecar['services'][number]).routes;
    const record = sessions.recordOf(session, routeFor(read, label).name);
    this.fill({ traits, carrier, session, label, lane, nowMs });
    const minted = carrier === 'cookie' && sessions.cookieOf(record, nowMs) === undefined;
    const renewable = carrier === 'cookie' && !minted && sessions.isRenewalDue(record, nowMs);
    this.begin({ traits, carrier, session, record, isFirst, minted, nowMs });
    const behind = fleet.isBehind(sidecar, traits.index);
    return {
      call: { sidecar, service: traits.index, record, label, lane, carrier, minted, renewable, behind },
      request: this.request,
      authority: random.pick(this.authorities[traits.index] as readonly string[]) as string,
    };
  }

  private labelFor({ labels, beta }: Traits): string {
    const { random } = this.parts;
    if ((!labels && !beta) || !random.chance(CHANCE.label)) return '';
    if (labels && beta) return random.chance(0.5) ? LABELS.qa : LABELS.beta;
    return labels ? LABELS.qa : LABELS.beta;
  }

  private laneFor({ lane }: Traits): string {
    const { random } = this.parts;
    const point = random.next();
    if (lane && point < CHANCE.lane) return 'canary';
    return point > 1 - CHANCE.unknownLane ? 'elsewhere' : '';
  }

  private fill(of: {
    readonly traits: Traits;
    readonly carrier: Call['carrier'];
    readonly session: number;
    readonly label: string;
    readonly lane: string;
    readonly nowMs: number;
  }): void {
    const { request } = this;
    const { traits, carrier, session, label, lane, nowMs } = of;
    request.clear();
    const baggage = lane === '' ? [] : [`roost-lane=${lane}`];
    if (carrier === 'request') {
      if (traits.keys === 'query') request.query = `a=b&${USER_PARAMETER}=${keyOf(session)}`;
      else if (traits.keys === 'baggage') baggage.unshift(`${USER_MEMBER}=${keyOf(session)};p=1`);
      else request.add(USER_HEADER, keyOf(session));
    } else if (carrier === 'cookie') {
      const cookie = this.parts.sessions.cookieHeader(session, nowMs);
      if (cookie !== undefined) request.add('cookie', `theme=dark; ${cookie}`);
    }
    if (baggage.length > 0) request.add('baggage', baggage.join(', '));
    if (label !== '') request.add(LABEL_HEADER, label);
  }

  private begin(of: {
    readonly traits: Traits;
    readonly carrier: Call['carrier'];
    readonly session: number;
    readonly record: number;
    readonly isFirst: boolean;
    readonly minted: boolean;
    readonly nowMs: number;
  }): void {
    const { oracle, fleet } = this.parts;
    const seed = saltSeed(of.traits.salt);
    if (of.minted) {
      fleet.nextKey = this.mintKey(of.nowMs);
      oracle.begin(of.record, hashOf(fleet.nextKey, seed));
    } else if (of.isFirst && of.carrier === 'request') {
      const hash = hashOf(keyOf(of.session), seed);
      for (const record of this.parts.sessions.recordsOf(of.session)) oracle.begin(record, hash);
    }
  }

  private mintKey(nowMs: number): string {
    const { random } = this.parts;
    const bytes = Uint8Array.from({ length: RANDOM_BYTES }, () => random.below(256));
    return newSessionKey(bytes, nowMs / 1000);
  }
}

function keyOf(session: number): string {
  return `user-${session}`;
}
