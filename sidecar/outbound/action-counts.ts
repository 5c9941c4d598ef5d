import { MAX_SERIES } from '../../src/telemetry/metrics.js';

/** What a route can do to a request besides sending it somewhere. */
export type CountedAction =
  | 'redirected'
  /** A fault. */
  | 'delayed'
  | 'aborted'
  /** A copy was sent, and answered. */
  | 'mirrored'
  /** A copy was sent, and no answer came. */
  | 'mirror-failed'
  /** No copy was sent: too many under way, a body too long, or nowhere to send it. */
  | 'mirror-skipped';

export interface ActionLabels {
  /** `checkout.shop` */
  readonly service: string;
  readonly route: string;
  readonly action: CountedAction;
}

const OVERFLOW = { service: 'other', route: '' };

/** How often routes did something. Only requests of such routes come here. */
export class ActionCounts {
  private readonly counts = new Map<string, { readonly labels: ActionLabels; count: number }>();

  get all(): Iterable<{ readonly labels: ActionLabels; readonly count: number }> {
    return this.counts.values();
  }

  count(labels: ActionLabels): void {
    const key = `${labels.service}\n${labels.route}\n${labels.action}`;
    const known = this.counts.get(key);
    if (known !== undefined) known.count++;
    else if (this.counts.size < MAX_SERIES || labels.service === OVERFLOW.service)
      this.counts.set(key, { labels, count: 1 });
    else this.count({ ...labels, ...OVERFLOW });
  }
}
