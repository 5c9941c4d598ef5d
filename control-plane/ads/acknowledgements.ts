/** What a client refused and, as far as is known, still runs in an older form. */
export interface Rejection {
  /** As the client has said it, up to a length. */
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  /** Revision of the configuration that the refused response was made from. */
  readonly revision: number;
}

/** One response, as far as its answer is concerned. */
export interface SentResponse {
  readonly nonce: string;
  /** Revision of the configuration that it was made from. */
  readonly revision: number;
  /** False: no change of the configuration made it, and a wait for a revision does not wait for its answer. */
  readonly revised: boolean;
  /** The resources in it, those that it takes away included; `all`: it is complete, what it leaves out is gone. */
  readonly names: readonly string[] | 'all';
  /** When it was sent, in milliseconds since the epoch. */
  readonly atMs: number;
}

/** Longest refusal kept, in characters. */
const MAX_MESSAGE = 8192;
/** How far a refusal is searched for names: with thousands of names, a longer one would take seconds. */
const MAX_SEARCHED = 262_144;
/** How many unanswered responses of one type are told apart. */
const MAX_OUTSTANDING = 100;

/**
 * What one client has said about the responses of one type. A rejection stands until the resources that it is
 * about have been accepted in another form, are gone, or are not asked for any more: a later response that is
 * about others says nothing of them.
 */
export class Acknowledgements {
  /** Responses that have no answer yet, by nonce, oldest first. */
  private readonly outstanding = new Map<string, SentResponse>();
  private lastNonce = '';
  private lastRejection: Rejection | undefined;
  /** The resources that the rejection is about. */
  private rejected = new Set<string>();

  /** Nonce of the newest response; empty before the first. */
  get newestNonce(): string {
    return this.lastNonce;
  }

  get rejection(): Rejection | undefined {
    return this.lastRejection;
  }

  get unanswered(): number {
    return this.outstanding.size;
  }

  /** When the oldest response without an answer was sent, in milliseconds since the epoch; undefined: there is none. */
  get unansweredSinceMs(): number | undefined {
    const [oldest] = this.outstanding.values();
    return oldest?.atMs;
  }

  /** A response with this resource, or one that takes it away, has no answer yet. */
  isUnanswered(name: string): boolean {
    for (const { names } of this.outstanding.values())
      if (names === 'all' || names.includes(name)) return true;
    return false;
  }

  isRejected(name: string): boolean {
    return this.rejected.has(name);
  }

  sent(response: SentResponse): void {
    this.lastNonce = response.nonce;
    this.outstanding.set(response.nonce, response);
    if (this.outstanding.size <= MAX_OUTSTANDING) return;
    // The answer to the second oldest then stands for the oldest, too.
    const [oldest, next] = [...this.outstanding.values()] as [SentResponse, SentResponse];
    this.outstanding.delete(oldest.nonce);
    const revised = oldest.revised || next.revised;
    const { revision } = oldest.revised ? oldest : next;
    this.outstanding.set(next.nonce, { ...next, revised, revision, atMs: oldest.atMs });
  }

  /**
   * The client answered a response. It answers in order, so everything before it counts as answered, too.
   *
   * @param refusal the request's `error_detail`, which alone tells an ACK from a NACK
   * @returns the response, where one of this nonce had no answer yet
   */
  answered(nonce: string, refusal: string | undefined, atMs: number): SentResponse | undefined {
    const response = this.outstanding.get(nonce);
    if (response === undefined) return undefined;
    for (const older of [...this.outstanding.keys()]) {
      this.outstanding.delete(older);
      if (older === nonce) break;
    }
    const { names, revision } = response;
    if (refusal === undefined) {
      this.clear((name) => names === 'all' || names.includes(name));
    } else {
      for (const name of suspects(refusal.slice(0, MAX_SEARCHED), names === 'all' ? [] : names))
        this.rejected.add(name);
      this.lastRejection = { message: clip(refusal), atMs, revision };
    }
    return response;
  }

  /** The subscription has changed: what is not wanted any more cannot be rejected either. */
  keepOnly(isWanted: (name: string) => boolean): void {
    if (this.rejected.size > 0) this.clear((name) => !isWanted(name));
  }

  /**
   * Whether every response made from this revision or an earlier one has its answer. Responses about live endpoints do
   * not count: under constant change there would always be one without an answer.
   */
  settled(revision: number): boolean {
    for (const response of this.outstanding.values())
      if (response.revised && response.revision <= revision) return false;
    return true;
  }

  private clear(isOver: (name: string) => boolean): void {
    this.rejected = new Set([...this.rejected].filter((name) => !isOver(name)));
    if (this.rejected.size === 0) this.lastRejection = undefined;
  }
}

function clip(refusal: string): string {
  return refusal.length > MAX_MESSAGE ? `${refusal.slice(0, MAX_MESSAGE)}…` : refusal;
}

/** The resources that a refusal names; where it names none, it may be about any of them. */
function suspects(refusal: string, names: readonly string[]): readonly string[] {
  const named = names.filter((name) => mentions(refusal, name));
  return named.length > 0 ? named : names;
}

/** Whether a text has this name as a word of its own: `shop/cart/v1` is not in "shop/cart/v10 is bad". */
export function mentions(text: string, name: string): boolean {
  for (let at = text.indexOf(name); at !== -1; at = text.indexOf(name, at + 1)) {
    const [before, after] = [text.slice(0, at), text.slice(at + name.length)];
    if (!/[\w/-]$|\w\.$/.test(before.slice(-2)) && !/^(?:[\w/-]|\.\w)/.test(after)) return true;
  }
  return false;
}
