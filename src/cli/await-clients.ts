import { setTimeout as wait } from 'node:timers/promises';
import type { AwaitProgress, LateClient, RejectionMessage } from '../api/config-service.js';
import { printable } from '../telemetry/printable.js';
import type { ControlPlaneClient } from './client.js';
import { CommandError, ConnectionError, EXIT } from './exit.js';
import { formatAge, Progress } from './terminal.js';

/** How much later than it was told to the control plane may answer. */
const GRACE_MS = 5000;
/** How long to wait before a control plane is asked again. */
const PAUSE_MS = 250;
/** Sidecars that have lost their control plane are back after so long: their longest wait between two attempts. */
const COME_BACK_MS = 10_000;
/** A control plane that was not there when the command began may be new, and have no sidecars: they have so long. */
const FIRST_CLIENT_MS = 3000;

/** The control plane's timer and the command's may differ by so much. */
const CLOCK_SLACK_MS = 20;

/** How far a revision has come when the wait for it is over. */
export interface Reach {
  /** As the control plane told last; undefined: it told nothing. */
  readonly last: AwaitProgress | undefined;
  /** Clients that were connected before the control plane went away and have not been seen since. */
  readonly missing: number;
  /** Why it is not known how far the revision is now; undefined: {@link last} is how far. */
  readonly doubt: string | undefined;
}

/** The time and the waits of {@link followClients}; tests have their own. */
export interface FollowTiming {
  now(): number;
  pause(ms: number): Promise<unknown>;
}

const REAL_TIME: FollowTiming = { now: () => performance.now(), pause: (ms) => wait(ms) };

/**
 * Waits until every connected client runs a revision, showing how far that is. A control plane that goes away is asked
 * again, at every address, as long as there is time: it may come back, or another may answer at its address.
 */
export async function followClients(
  client: Pick<ControlPlaneClient, 'stream' | 'wasAway'>,
  revision: number,
  timeoutMs: number,
  timing: FollowTiming = REAL_TIME,
): Promise<Reach> {
  const progress = new Progress();
  const wait = new Wait(timeoutMs, timing, client.wasAway);
  try {
    for (;;) {
      const { leftMs } = wait;
      try {
        const request = { revision, timeoutMs: leftMs };
        for await (const event of client.stream<AwaitProgress>('Await', request, leftMs + GRACE_MS)) {
          wait.hear(event);
          progress.update(`waiting for sidecars: ${event.settled} of ${event.connected} have it`);
        }
        if (wait.isOver) return wait.reach;
        if (!wait.isDone) wait.lose('the control plane is stopping');
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        wait.lose(error.message);
        if (!(error instanceof ConnectionError)) return wait.reach;
      }
      if (wait.isTimeUp) return wait.reach;
      progress.update('waiting for the control plane');
      await timing.pause(PAUSE_MS);
    }
  } finally {
    progress.end();
  }
}

/** What has been heard of one revision. */
class Wait {
  private readonly startedAt: number;
  private readonly deadline: number;
  private last: AwaitProgress | undefined;
  /** Since when the control plane has been gone, or was; undefined: it never was. */
  private lostAt: number | undefined;
  /** Clients that were connected before that; undefined: it is not known. */
  private connectedBefore: number | undefined;
  private doubt: string | undefined;

  constructor(
    timeoutMs: number,
    private readonly timing: FollowTiming,
    private readonly isNew: boolean,
  ) {
    this.startedAt = timing.now();
    this.deadline = this.startedAt + timeoutMs;
  }

  /** For the next call: at least 1, since 0 means the default. */
  get leftMs(): number {
    return Math.max(1, Math.round(this.deadline - this.timing.now()));
  }

  get isTimeUp(): boolean {
    return this.timing.now() >= this.deadline - CLOCK_SLACK_MS;
  }

  hear(event: AwaitProgress): void {
    this.last = event;
    this.doubt = undefined;
    if (this.lostAt === undefined) this.connectedBefore = event.connected;
  }

  /** @param why the connection is over */
  lose(why: string): void {
    this.lostAt ??= this.timing.now();
    this.doubt = why;
  }

  /** The stream has ended in good order. */
  get isOver(): boolean {
    return this.isTimeUp || (this.isDone && (this.areBack || this.isPatienceOver));
  }

  get isDone(): boolean {
    return this.last?.done === true;
  }

  get reach(): Reach {
    return { last: this.last, missing: this.missing, doubt: this.doubt };
  }

  private get missing(): number {
    return Math.max(0, (this.connectedBefore ?? 0) - (this.last?.connected ?? 0));
  }

  /** A control plane that has just started has no clients yet, and thinks that all have everything. */
  private get areBack(): boolean {
    if (this.lostAt === undefined) return !this.isNew || (this.last?.connected ?? 0) > 0;
    return this.connectedBefore !== undefined && this.missing === 0;
  }

  private get isPatienceOver(): boolean {
    const now = this.timing.now();
    return this.lostAt === undefined
      ? now - this.startedAt >= FIRST_CLIENT_MS
      : now - this.lostAt >= COME_BACK_MS;
  }
}

/** @returns what is wrong where not every client is known to have the revision */
export function failureOf({ last, missing, doubt }: Reach, revision: number): CommandError | undefined {
  const stored = `stored as revision ${revision}`;
  if (last !== undefined && last.rejections.length > 0) return rejected(stored, last);
  const { settled = 0, connected = 0 } = last ?? {};
  if (doubt !== undefined) {
    const known = last === undefined ? '' : `, of ${count(connected, 'client')} ${settled} had it before`;
    return notEverywhere(`${stored}, but it is not known which clients have it${known}: ${doubt}`, last);
  }
  if (settled >= connected && missing === 0) return undefined;
  const gone = missing === 0 ? '' : ` (${missing} of them not seen again since the control plane was away)`;
  return notEverywhere(
    `${stored}, ${settled} of ${count(connected + missing, 'client')} have it${gone}; see "roost status"`,
    last,
  );
}

/** @returns what to tell the user of a revision that every client has */
export function describeReach({ last }: Reach): string {
  const connected = last?.connected ?? 0;
  return connected === 0 ? 'no client is connected' : `in force on ${count(connected, 'client')}`;
}

/** How far a revision is, for programs. */
export function reachJson({ last, missing, doubt }: Reach): object {
  const { connected = 0, settled = 0, late = [], rejections = [] } = last ?? {};
  return { connected, settled, missing, known: doubt === undefined && last !== undefined, late, rejections };
}

function notEverywhere(message: string, last: AwaitProgress | undefined): CommandError {
  return new CommandError(message, EXIT.partly, last === undefined ? [] : lateLines(last));
}

function lateLines({ connected, settled, late }: AwaitProgress): string[] {
  const more = connected - settled - late.length;
  return [...late.map(describeLate), ...(more > 0 ? [`and ${count(more, 'client')} more`] : [])];
}

function describeLate({ client, silentMs, lateBefore }: LateClient): string {
  const name = client === '' ? 'a client without a name' : printable(client);
  if (silentMs === 0) return `${name}: has not been told yet`;
  const why = lateBefore ? '; it was late before this change, and is not waited for' : '';
  return `${name}: has not answered for ${formatAge(silentMs)}${why}`;
}

function rejected(stored: string, last: AwaitProgress): CommandError {
  const { rejections, connected } = last;
  const clients = new Set(rejections.map(({ client }) => client)).size;
  const lines = rejections.map(
    ({ client, type, reason }: RejectionMessage) => `${printable(client)}: ${type}: ${printable(reason)}`,
  );
  return new CommandError(
    `${stored}, but ${clients} of ${count(connected, 'client')} rejected it and run what they had`,
    EXIT.partly,
    [...lines, ...lateLines(last)],
  );
}

export function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
