import { printableLines } from './printable.js';

/**
 * Metrics in Prometheus' text format 0.0.4. A process declares all of its metrics in one table and binds each to
 * what is counted elsewhere, in plain numbers; nothing is copied before a scrape.
 */

/**
 * Most label sets kept; configuration that changes its names for ever must not fill memory, nor a scrape. What is
 * beyond goes into one for each direction.
 */
export const MAX_SERIES = 2000;

/** What a metric is. Its unit is in its name, as Prometheus has it: `_seconds`, `_bytes`, `_total`. */
export interface MetricDescription {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Whose values come from configuration or from a fixed list, never from a request. */
  readonly labels: readonly string[];
}

export type MetricTable = Readonly<Record<string, MetricDescription>>;

/**
 * Yields a metric's samples, each a line or, for a histogram, all lines of a label set. Between two of them other
 * work may run: what has to fit together goes into one.
 */
export type Collector = (name: string) => Iterable<string>;

/** A metric with its collector. */
export interface BoundMetric extends MetricDescription {
  readonly name: string;
  readonly collect: Collector;
}

/** @param collectors one for each row of the table */
export function bindMetrics<T extends MetricTable>(
  table: T,
  collectors: { readonly [Name in keyof T]: Collector },
): BoundMetric[] {
  return Object.entries(table).map(([name, description]) => ({
    name,
    ...description,
    collect: collectors[name] as Collector,
  }));
}

/** The whole text, in pieces that can be joined as they come. */
export function* expose(metrics: readonly BoundMetric[]): Generator<string> {
  for (const { name, type, help, collect } of metrics) {
    yield `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
    yield* collect(name);
  }
}

export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** A metric of one value. */
export function single(read: () => number): Collector {
  return (name) => [sample(name, '', read())];
}

/** @param labels as {@link labelText} makes them; empty: none */
export function sample(name: string, labels: string, value: number): string {
  return labels === '' ? `${name} ${number(value)}\n` : `${name}{${labels}} ${number(value)}\n`;
}

/** `direction="inbound",service="checkout.shop"` */
export function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(',');
}

function number(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' };

function escaped(value: string): string {
  // A scrape is read by people, too, and names may be a peer's.
  return printableLines(value).replace(/[\\"\n]/g, (character) => ESCAPES[character] as string);
}
