import { type Fault, podNumber, releaseOf } from './faults.js';
import type { Pod } from './pods.js';

/** What has to be known to judge one answer. */
export interface Answer {
  readonly servedBy: string;
  /** By `performance.now()`. */
  readonly sentAtMs: number;
  readonly fault: Fault | undefined;
}

export type Judgement = 'first' | 'stayed' | 'hop-with-cause' | 'hop-without-cause' | 'flip';

/**
 * A session and where it belongs. It has one request under way at a time, so answers come in the order in which
 * the sidecar decided.
 *
 * `homes` are the pods of which one is the session's pin: one of them most of the time. An answer by another pod
 * needs a cause: a home that was killed or out of the configuration while the request was under way, or one that
 * reset this very request. As the driver cannot know whether the pin moved with it (SEMANTICS S5: it stays if only
 * the request failed, and moves if the endpoint is gone or unusable), that pod becomes a home as well, until an
 * undisturbed answer says which one it is.
 */
export class Session {
  busy = false;
  /** `name=value` as the sidecar set it; empty: none, or the session goes by header. */
  cookie = '';
  private release: string | undefined;
  private homes: string[] = [];

  /** @param userId undefined: the session goes by cookie */
  constructor(private readonly userId: string | undefined) {}

  get byCookie(): boolean {
    return this.userId === undefined;
  }

  /** Header field that says whose request it is; empty: a session to come. */
  get field(): string {
    if (this.userId !== undefined) return `X-User-Id: ${this.userId}`;
    return this.cookie === '' ? '' : `Cookie: theme=dark; ${this.cookie}`;
  }

  /** The cookie is lost: what comes next is another session. */
  forget(): void {
    this.cookie = '';
    this.release = undefined;
    this.homes = [];
  }

  judge(answer: Answer, pods: ReadonlyMap<string, Pod>): Judgement {
    const { servedBy } = answer;
    const release = releaseOf(servedBy);
    const before = this.release;
    this.release = release;
    if (before !== undefined && before !== release) {
      this.homes = [servedBy];
      return 'flip';
    }
    return this.judgeHome(answer, pods, before === undefined);
  }

  private judgeHome(answer: Answer, pods: ReadonlyMap<string, Pod>, first: boolean): Judgement {
    const { servedBy } = answer;
    const away = this.homes.some((home) => home !== servedBy && mayBeAway(home, answer, pods));
    const known = this.homes.length > 0;
    if (this.homes.includes(servedBy)) {
      if (!away) this.homes = [servedBy];
      return 'stayed';
    }
    if (away) {
      this.homes.push(servedBy);
      return 'hop-with-cause';
    }
    // A first answer says where the pin is only where nothing kept the request from its own pod.
    this.homes = known || !anyAway(release(answer), answer, pods) ? [servedBy] : [];
    if (first || !known) return first ? 'first' : 'stayed';
    return 'hop-without-cause';
  }

  /** A request went unanswered: where homes were disturbed, the pin may have moved without a word to the client. */
  unanswered(sentAtMs: number, pods: ReadonlyMap<string, Pod>): void {
    if (this.homes.some((home) => pods.get(home)?.wasDisturbedSince(sentAtMs))) this.homes = [];
  }
}

const release = ({ servedBy }: Answer) => releaseOf(servedBy);

function mayBeAway(pod: string, { sentAtMs, fault }: Answer, pods: ReadonlyMap<string, Pod>): boolean {
  if (fault?.kind === 'reset' && fault.pod === podNumber(pod)) return true;
  return pods.get(pod)?.wasDisturbedSince(sentAtMs) === true;
}

function anyAway(name: string, answer: Answer, pods: ReadonlyMap<string, Pod>): boolean {
  for (const pod of pods.keys()) if (releaseOf(pod) === name && mayBeAway(pod, answer, pods)) return true;
  return false;
}
