import type { BoundMetric, Collector } from '../../src/telemetry/metrics.js';
import { joinInSlices } from '../../src/telemetry/scrape.js';

/** Samples of metrics, by the metric's name, in the text format. */
export type MetricTexts = ReadonlyMap<string, string>;

/** What collectors have, a slice at a time. */
export async function collectTexts(collectors: Readonly<Record<string, Collector>>): Promise<MetricTexts> {
  const texts = new Map<string, string>();
  for (const [name, collect] of Object.entries(collectors))
    texts.set(name, await joinInSlices(collect(name)));
  return texts;
}

/** The metrics with what others have counted added: samples with the same labels are one, whose value is their sum. */
export function withOthers(metrics: readonly BoundMetric[], others: readonly MetricTexts[]): BoundMetric[] {
  return metrics.map((metric) => {
    const texts = others.flatMap((texts) => texts.get(metric.name) ?? []);
    return texts.length === 0 ? metric : { ...metric, collect: summed(metric.collect, texts) };
  });
}

/** Yields nothing between two lines that it adds, so that other work can go on there. */
function summed(collect: Collector, texts: readonly string[]): Collector {
  return function* (name) {
    const sums = new Map<string, number>();
    for (const piece of collect(name)) yield* addLines(sums, piece);
    for (const text of texts) yield* addLines(sums, text);
    for (const [labelled, value] of sums) yield `${labelled} ${value}\n`;
  };
}

function* addLines(sums: Map<string, number>, text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n', start);
    // A value has no space in it, label values may.
    const space = text.lastIndexOf(' ', end);
    const labelled = text.slice(start, space);
    sums.set(labelled, (sums.get(labelled) ?? 0) + Number(text.slice(space + 1, end)));
    start = end + 1;
    yield '';
  }
}
