import type { ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { type BoundMetric, EXPOSITION_TYPE, expose } from './metrics.js';

/** Work goes on between two slices of a scrape, each about this long. */
const SLICE_MS = 4;
/** Pieces made between two looks at the clock. */
const PIECES_PER_LOOK = 32;
const WRITE_BYTES = 65_536;
/** A client that takes longer to read is cut off. */
const SCRAPE_TIMEOUT_MS = 30_000;
/** More at the same time are refused. */
const MAX_SCRAPES = 8;

/** Answers scrapes of a process's metrics, a slice at a time, at the pace of the reader. */
export class Scraper {
  private underWay = 0;

  /** @param prepare finds out what cannot be read at once; may return what is to be shown in this scrape instead */
  constructor(
    private readonly metrics: readonly BoundMetric[],
    private readonly prepare: () => Promise<readonly BoundMetric[] | void>,
  ) {}

  async answer(response: ServerResponse): Promise<void> {
    if (this.underWay >= MAX_SCRAPES) {
      response.writeHead(503, { 'content-type': 'text/plain' }).end('too many scrapes at a time\n');
      return;
    }
    this.underWay++;
    const timer = setTimeout(() => response.destroy(), SCRAPE_TIMEOUT_MS).unref();
    try {
      const metrics = (await this.prepare()) ?? this.metrics;
      response.writeHead(200, { 'content-type': EXPOSITION_TYPE });
      await this.writeAll(metrics, response);
    } finally {
      clearTimeout(timer);
      this.underWay--;
    }
  }

  private async writeAll(metrics: readonly BoundMetric[], response: ServerResponse): Promise<void> {
    const slices = new Slices();
    let text = '';
    for (const piece of expose(metrics)) {
      text += piece;
      if (text.length >= WRITE_BYTES) {
        const taken = response.write(text);
        text = '';
        if (!taken && !(await drained(response))) return;
      }
      if (slices.isOver()) {
        await slices.next();
        if (response.destroyed) return;
      }
    }
    response.end(text);
  }
}

/** Joins pieces of text, a slice at a time. */
export async function joinInSlices(pieces: Iterable<string>): Promise<string> {
  const slices = new Slices();
  let text = '';
  for (const piece of pieces) {
    text += piece;
    if (slices.isOver()) await slices.next();
  }
  return text;
}

/** Says after which piece other work is due. */
class Slices {
  private pieces = 0;
  private since = performance.now();

  /** Asked after every piece. */
  isOver(): boolean {
    return ++this.pieces % PIECES_PER_LOOK === 0 && performance.now() - this.since >= SLICE_MS;
  }

  async next(): Promise<void> {
    await turn();
    this.since = performance.now();
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
