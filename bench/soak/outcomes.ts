import type { Fault } from './faults.js';
import type { Pod } from './pods.js';
import type { RequestKind } from './request-kinds.js';
import type { ResponseParser } from './response-parser.js';
import type { Ending } from './soak-connection.js';

/** A request that is over. */
export interface Finished {
  readonly kind: RequestKind;
  readonly ending: Ending;
  readonly response: ResponseParser;
  readonly sentAtMs: number;
  readonly fault: Fault | undefined;
}

export type Outcome =
  | { readonly is: 'answered' }
  /** The client left, as it was meant to. */
  | { readonly is: 'left' }
  | {
      readonly is: 'failed';
      /**
       * `savable`: a retry was allowed, and would have had an answer. `lost`: none was allowed (RFC 9110 section
       * 9.2.2; a response had begun), and a fault of the soak's is known. `unexplained`: neither.
       */
      readonly how: 'savable' | 'lost' | 'unexplained';
      readonly cause: string;
    };

const ANSWERED: Outcome = { is: 'answered' };
const LEFT: Outcome = { is: 'left' };
const failed = (how: 'savable' | 'lost' | 'unexplained', cause: string): Outcome => ({
  is: 'failed',
  how,
  cause,
});

/**
 * What became of a request. Every pod that answers is one of three, of which at most one is disturbed and at most
 * one resets the request: the third always could have answered, which makes every retry that is allowed one that
 * saves.
 */
export function outcomeOf(finished: Finished, pods: ReadonlyMap<string, Pod>): Outcome {
  const { ending, response, kind, fault } = finished;
  if (ending === 'left') return LEFT;
  if (ending === 'complete' && response.status === 200 && response.servedBy !== undefined) {
    if (response.bodyBytes === kind.answerBytes) return ANSWERED;
    return failed('unexplained', `${kind.name}: complete, with the wrong length`);
  }
  if (ending === 'malformed') return failed('unexplained', `${kind.name}: malformed response`);
  if (ending === 'timeout') return failed('savable', `${kind.name}: no answer in time`);
  if (fault?.kind === 'cut') return failed('lost', 'response reset half way, by its backend');
  if (ending === 'complete') return ownAnswer(finished, pods);
  const where = response.servedBy;
  const killed = where === undefined ? anyDisturbed(finished, pods) : isDisturbed(where, finished, pods);
  if (killed) return failed('lost', 'response broken off, its backend was killed');
  return failed('unexplained', `${kind.name}: ${ending}`);
}

/** An answer of the sidecar's own, or a status that no backend sends. */
function ownAnswer(finished: Finished, pods: ReadonlyMap<string, Pod>): Outcome {
  const { kind, response, fault } = finished;
  const { ownError } = response;
  if (kind.method !== 'POST' || ownError !== 'upstream-reset')
    return failed('savable', `${kind.name}: ${response.status} ${ownError ?? ''}`.trimEnd());
  if (fault !== undefined) return failed('lost', 'POST reset after it was sent, by its backend');
  if (anyDisturbed(finished, pods))
    return failed('lost', 'POST reset after it was sent, its backend was killed');
  return failed('unexplained', `${kind.name}: ${ownError}`);
}

function isDisturbed(name: string, { sentAtMs }: Finished, pods: ReadonlyMap<string, Pod>): boolean {
  return pods.get(name)?.wasDisturbedSince(sentAtMs) === true;
}

function anyDisturbed(finished: Finished, pods: ReadonlyMap<string, Pod>): boolean {
  for (const name of pods.keys()) if (isDisturbed(name, finished, pods)) return true;
  return false;
}
