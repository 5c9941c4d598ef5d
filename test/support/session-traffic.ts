import type { LiveSessions, SessionsWanted } from '../../control-plane/load/session-survey.js';
import { SessionPins } from '../../sidecar/session/session-pins.js';
import { surveySessions } from '../../sidecar/session/session-survey.js';
import { SessionTable } from '../../sidecar/session/session-table.js';
import { findRoute, place } from '../../src/routing/decide.js';
import { plainRequest } from '../../src/routing/request-view.js';
import { ALL_RANKS, type HeldSession } from '../../src/xds/session-survey.js';
import { MeshTable } from './mesh-table.js';
import { NO_COOKIES } from './session-pins.js';

/** A request of `checkout.shop`: its headers, or its path. */
export interface Call {
  readonly headers: readonly (readonly [string, string])[];
  readonly path?: string;
}

/** Calls of many sessions, decided and remembered as a sidecar does, by its own decision and session table. */
export class SessionTraffic {
  readonly mesh: MeshTable;
  nowMs = 1_000_000;
  private readonly table: SessionTable;
  private readonly seen: SessionTable;
  private readonly pins: SessionPins;
  private readonly cookies = new Map<number, string>();

  constructor(secret: Buffer, capacity = 20_000) {
    this.mesh = new MeshTable(secret);
    this.mesh.incarnations = new Proxy({}, { get: () => '' });
    this.table = new SessionTable(capacity, 0);
    this.seen = new SessionTable(capacity, 0);
    const nowMs = () => this.nowMs;
    this.pins = new SessionPins({ table: this.table, seen: this.seen, nowMs, wallMs: nowMs });
  }

  /** Where one session's call goes: release and address. @returns undefined where nothing answers */
  call(
    session: number,
    { headers, path = '/' }: Call,
  ): readonly [release: string, address: string] | undefined {
    const cookie = this.cookies.get(session);
    const request = plainRequest({
      path,
      headers: [...headers, ...(cookie === undefined ? [] : [['cookie', cookie] as const])],
    });
    const host = this.mesh.table.find('checkout.shop');
    const route = host && findRoute(host, request, Math.random);
    if (host === undefined || route === undefined) return undefined;
    const placed = place(host, route, request, {
      nowMs: this.nowMs,
      random: Math.random,
      findPin: (affinity, hash) => this.pins.find(affinity, hash),
    });
    if (placed.endpoint === undefined) return undefined;
    const set = this.pins.keep(placed, placed.endpoint, NO_COOKIES);
    if (set !== undefined) this.cookies.set(session, set.split(';')[0] as string);
    return [placed.release.name, placed.endpoint.address];
  }

  /** What a control plane hears of this sidecar. */
  async survey(wanted: SessionsWanted): Promise<LiveSessions> {
    const question = { ...wanted, id: 1, below: ALL_RANKS };
    const sessions: HeldSession[] = [];
    for await (const part of surveySessions([this.table, this.seen], question, this.nowMs))
      sessions.push(...part.sessions);
    return { sessions, weight: 1, silent: 0 };
  }
}
