import { randomBytes } from 'node:crypto';
import { xxh64 } from '../../src/hashing/xxh64.js';
import type { LocalReply } from '../../src/http/error-catalogue.js';
import { headerName } from '../../src/http/header-name.js';
import type { RequestMessage } from './message.js';

const VIA = headerName('x-roost-via');

/** More sidecars than a request passes whose apps hand on every header; a loop that changes its path ends here. */
const MAX_MARKS = 32;
const RADIX = 36;

export const newLoopSeed = (): bigint => randomBytes(8).readBigUInt64BE();

/**
 * Recognises requests that come back to a sidecar that has forwarded them.
 *
 * `Via` (RFC 9110 section 7.6.3) would say who has forwarded a request, and that is not enough: a request may pass one
 * sidecar several times on its way, through apps that hand on the headers that they have received. So each sidecar adds
 * a mark to `x-roost-via` that stands for itself and for the request: a hash of method, host and target under a seed of
 * its own. A mark that is there already says that this very request has been here. (`Via` has another cost: servers
 * such as nginx do not compress answers to requests that carry it.)
 */
export class LoopMarks {
  /** @param seed one for all workers of a sidecar and one direction */
  constructor(private readonly seed: bigint) {}

  /** @returns the value of `x-roost-via` that the request goes on with, or the answer to a loop */
  pass(request: RequestMessage): string | LocalReply {
    const { method, authority, target } = request;
    const mark = xxh64(`${method} ${authority} ${target}`, this.seed).toString(RADIX);
    const before = request.header(VIA);
    if (before === undefined || before === '') return mark;
    const marks = before.split(',');
    if (marks.some((each) => each.trim() === mark)) return loop('this request has been here before');
    if (marks.length >= MAX_MARKS) return loop(`it has passed ${MAX_MARKS} sidecars and more`);
    return `${before}, ${mark}`;
  }
}

function loop(detail: string): LocalReply {
  return { code: 'loop-detected', detail };
}
