import { Pool } from 'undici';
import type { Answer, Served } from './app.js';

/** Which pod of checkout answered a session, and of which release it is. */
export interface Place {
  readonly release: string;
  readonly pod: string;
}

/** The placement of each session. */
export type Placements = ReadonlyMap<string, Place>;

/** The results of one request for each of many sessions. */
export interface Round {
  readonly places: Placements;
  readonly requests: number;
  /** How often a session was answered by another pod than last time in this round. */
  readonly moves: number;
  /** Failures, as text. */
  readonly failures: readonly string[];
  /** The pods of one answer: `frontend-v1-1 → checkout-v2-1 → payments-v1-1`. */
  readonly sample: string;
}

export interface VisitOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Requests at a time. */
  readonly width?: number;
  /** Called with the number of answers so far. */
  readonly onAnswered?: (count: number) => void;
  /** Repeat the round until this promise is settled, instead of once. */
  readonly until?: Promise<unknown>;
}

/** One customer's answer. */
interface Visit {
  readonly served: readonly Served[];
  readonly setCookie: readonly string[];
}

const WIDTH = 32;

/**
 * Customers of the shop: every request goes through the whole chain, from the frontend to payments. Requests alternate
 * between the pods of the frontend, as behind a load balancer without sessions.
 */
export class Customers {
  private readonly pools: readonly Pool[];
  private requests = 0;

  /** @param entrances of the frontend's pods: `http://127.0.0.1:1234` */
  constructor(entrances: readonly string[]) {
    const options = { connections: WIDTH, headersTimeout: 20_000, bodyTimeout: 20_000 };
    this.pools = entrances.map((entrance) => new Pool(entrance, options));
  }

  /** Sends one request for each session, its id in `x-user-id`. */
  async visit(sessions: readonly string[], options: VisitOptions = {}): Promise<Round> {
    const { headers = {}, width = WIDTH, onAnswered, until } = options;
    const places = new Map<string, Place>();
    const failures: string[] = [];
    let [started, answered, moves, settled, sample] = [0, 0, 0, until === undefined, ''];
    const settle = () => {
      settled = true;
    };
    until?.then(settle, settle);
    const work = async () => {
      while (started < sessions.length || !settled) {
        const session = sessions[started++ % sessions.length] as string;
        try {
          const { served } = await this.request({ ...headers, 'x-user-id': session });
          const place = placeOf(served);
          if ((places.get(session) ?? place).pod !== place.pod) moves++;
          places.set(session, place);
          sample = served.map(({ pod }) => pod).join(' → ');
        } catch (error) {
          failures.push(`${session}: ${(error as Error).message}`);
        }
        answered++;
        onAnswered?.(answered);
      }
    };
    await Promise.all(Array.from({ length: Math.min(width, sessions.length) }, work));
    return { places, requests: answered, moves, failures, sample };
  }

  /** A browser: sends the cookies that it received, from its second request on. */
  async browse(count: number, firstHeaders: Record<string, string>): Promise<Journey> {
    const first = await this.request(firstHeaders);
    const cookie = first.setCookie.map((text) => text.split(';')[0]).join('; ');
    const rest: Visit[] = [];
    for (let i = 1; i < count; i++) rest.push(await this.request({ cookie }));
    return {
      places: [first, ...rest].map(({ served }) => placeOf(served)),
      cookiesSet: [first, ...rest].map(({ setCookie }) => setCookie.length),
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.pools.map((pool) => pool.destroy()));
  }

  private async request(headers: Record<string, string>): Promise<Visit> {
    const pool = this.pools[this.requests++ % this.pools.length] as Pool;
    const response = await pool.request({
      path: '/',
      method: 'GET',
      headers: { host: 'frontend', ...headers },
    });
    const text = await response.body.text();
    if (response.statusCode !== 200) throw new Error(`${response.statusCode} ${text.trim()}`);
    const { served } = JSON.parse(text) as Answer;
    return { served, setCookie: [response.headers['set-cookie'] ?? []].flat() };
  }
}

/** A browser's requests, in order. */
export interface Journey {
  readonly places: readonly Place[];
  /** Cookies that each response set. */
  readonly cookiesSet: readonly number[];
}

function placeOf(served: readonly Served[]): Place {
  const checkout = served.find(({ service }) => service === 'checkout');
  if (checkout === undefined) throw new Error('checkout had no part in the answer');
  return { release: checkout.version, pod: checkout.pod };
}

/** `c-1`, `c-2`, …: the same in every run, and so are their hashes. */
export function sessionsNamed(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${name}-${i + 1}`);
}

/** The sessions of a release, or of a pod. */
export function sessionsAt(places: Placements, where: Partial<Place>): string[] {
  const { release, pod } = where;
  return [...places].flatMap(([session, place]) =>
    (release ?? place.release) === place.release && (pod ?? place.pod) === place.pod ? [session] : [],
  );
}
