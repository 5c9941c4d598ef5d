import { setTimeout as sleep } from 'node:timers/promises';
import { format } from './checks.js';
import type { Report } from './report.js';
import type { Shop } from './shop.js';
import {
  type Customers,
  type Place,
  type Placements,
  type Round,
  sessionsAt,
  type VisitOptions,
} from './traffic.js';

/** Requests at a time while a command runs, which needs the processor too. */
const BACKGROUND_WIDTH = 4;
/**
 * The frontend's other pod knows a new pin within 250 ms (SEMANTICS S6). A session's next call comes no sooner, even on
 * a fast machine.
 */
const PINS_ARE_KNOWN_MS = 300;

/** What the steps of the story use: the shop, its customers, and where their sessions are. */
export class Stage {
  /** Every session that has called under affinity, and its pod. */
  readonly known = new Map<string, Place>();

  constructor(
    readonly shop: Shop,
    private readonly customers: Customers,
    readonly report: Report,
  ) {}

  /** Sends one request for each session, and reports it. */
  async visit(what: string, sessions: readonly string[], options: VisitOptions = {}): Promise<Round> {
    const onAnswered = (count: number) => {
      this.report.progress(`${what}: ${format(count)} of ${format(sessions.length)}`);
      options.onAnswered?.(count);
    };
    const startedMs = performance.now();
    const round = await this.customers.visit(sessions, { ...options, onAnswered });
    await sleep(Math.max(0, PINS_ARE_KNOWN_MS - (performance.now() - startedMs)));
    this.report.say(`${format(round.requests)} requests, ${what}; the last: ${round.sample}`);
    return round;
  }

  /** Browsers with a cookie jar each: the first of four requests carries these headers. */
  async browse(what: string, count: number, headers: Record<string, string>) {
    const journeys = [];
    for (let i = 1; i <= count; i++) {
      journeys.push(await this.customers.browse(4, headers));
      this.report.progress(`${what}: ${i} of ${count}`);
    }
    this.report.say(`${format(4 * count)} requests, ${what}`);
    return journeys;
  }

  /** Runs `roost`, and reports it. @param redirect shown as the file that a user would redirect the output to */
  async roost(args: readonly string[], redirect?: string): Promise<string> {
    const line = `roost ${args.join(' ')}`;
    this.report.progress(line);
    const printed = await this.shop.roost(args);
    this.report.command(
      redirect === undefined ? line : `${line} > ${redirect}`,
      redirect === undefined ? printed : '',
    );
    return printed;
  }

  /** Runs `roost` while these sessions keep calling. */
  async change(args: readonly string[], sessions: readonly string[]): Promise<Round> {
    const until = this.roost(args);
    const [round] = await Promise.all([
      this.customers.visit(sessions, { until, width: BACKGROUND_WIDTH }),
      until,
    ]);
    this.report.say(`${format(round.requests)} requests meanwhile; the last: ${round.sample}`);
    return round;
  }

  /** Stores where sessions are, for later comparison. */
  remember(places: Placements): void {
    for (const [session, place] of places) this.known.set(session, place);
  }

  /** Up to so many known sessions of a release, or of a pod. */
  some(where: Partial<Place>, count: number): string[] {
    return sessionsAt(this.known, where).slice(0, count);
  }
}
