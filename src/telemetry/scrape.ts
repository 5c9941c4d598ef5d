import type { ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { type BoundMetric, EXPOSITION_TYPE, expose } from './metrics.js';

/** Work goes on between two slices of a scrape, each about this long. */
const SLICE_MS = 4;
/** Pieces made between two looks at the clock. */
const PIECES_PER_LOOK = 32;
const WRITE_BYTES = 65_536;
/** Whoever takes longer to read is cut off. */
const SCRAPE_TIMEOUT_MS = 30_000;
/** More at the same time are refused. */
const MAX_SCRAPES = 8;

/** Answers scrapes of a process's metrics, a slice at a time, at the pace of whoever reads. */
export class Scraper {
  private underWay = 0;

  /** @param prepare finds out what cannot be read at once */
  constructor(
    readonly metrics: readonly BoundMetric[],
    private readonly prepare: () => Promise<void>,
  ) {}

  async answer(response: ServerResponse): Promise<void> {
    if (this.underWay >= MAX_SCRAPES) {
      response.writeHead(503, { 'content-type': 'text/plain' }).end('too many scrapes at a time\n');
      return;
    }
    this.underWay++;
    const timer = setTimeout(() => response.destroy(), SCRAPE_TIMEOUT_MS).unref();
    try {
      await this.prepare();
      response.writeHead(200, { 'content-type': EXPOSITION_TYPE });
      await this.writeAll(response);
    } finally {
      clearTimeout(timer);
      this.underWay--;
    }
  }

  private async writeAll(response: ServerResponse): Promise<void> {
    let text = '';
    let pieces = 0;
    let sliceSince = performance.now();
    for (const piece of expose(this.metrics)) {
      text += piece;
      if (text.length >= WRITE_BYTES) {
        const taken = response.write(text);
        text = '';
        if (!taken && !(await drained(response))) return;
      }
      if (++pieces % PIECES_PER_LOOK === 0 && performance.now() - sliceSince >= SLICE_MS) {
        await turn();
        if (response.destroyed) return;
        sliceSince = performance.now();
      }
    }
    response.end(text);
  }
}

/** @returns whether the reader is still there */
function drained(response: ServerResponse): Promise<boolean> {
  if (response.destroyed) return Promise.resolve(false);
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve(!response.destroyed);
    };
    response.on('drain', done).on('close', done);
  });
}
