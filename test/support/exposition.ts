/** A strict reader of Prometheus' text format 0.0.4, for tests. */
export interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE =
  /^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (-?[\d.eE+-]+|\+Inf|-Inf|NaN)$/;

/** @throws where a line is malformed, a sample stands outside of its family, or occurs twice */
export function parseExposition(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let current: [string, Family] | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const head = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (head !== null) {
      const [, keyword, name, rest] = head as unknown as [string, string, string, string];
      if (keyword === 'HELP') {
        if (families.has(name)) throw new Error(`${name} occurs twice`);
        current = [name, { type: '', help: rest, samples: [] }];
      } else if (current?.[0] === name) {
        current[1] = { ...current[1], type: rest };
        families.set(name, current[1]);
      } else throw new Error(`TYPE of ${name} without its HELP`);
      continue;
    }
    const sample = parseSample(line);
    const key = line.slice(0, line.lastIndexOf(' '));
    if (seen.has(key)) throw new Error(`${key} occurs twice`);
    seen.add(key);
    const family =
      current?.[1].type === 'histogram' ? /^(.*)_(?:bucket|sum|count)$/.exec(sample.name)?.[1] : sample.name;
    if (current === undefined || family !== current[0])
      throw new Error(`${line} stands under ${current?.[0]}`);
    current[1].samples.push(sample);
  }
  return families;
}

function parseSample(line: string): Sample {
  const found = LINE.exec(line);
  if (found === null) throw new Error(`malformed: ${line}`);
  const [, name = '', labels = '', value = ''] = found;
  const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [
    key,
    text?.replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c)),
  ]);
  return { name, labels: Object.fromEntries(pairs), value: Number(value.replace('Inf', 'Infinity')) };
}

/** Scrapes a process. */
export async function scrape(address: string): Promise<Map<string, Family>> {
  const response = await fetch(`http://${address}/metrics`);
  if (response.headers.get('content-type') !== 'text/plain; version=0.0.4; charset=utf-8')
    throw new Error(`content-type ${response.headers.get('content-type')}`);
  return parseExposition(await response.text());
}

/** One metric of a process. @param name with its labels, as it is written; @returns NaN where there is none */
export async function metric(address: string, name: string): Promise<number> {
  const text = await (await fetch(`http://${address}/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
}

/** Sum of the samples with these labels. */
export function sumOf(family: Family | undefined, labels: Readonly<Record<string, string>> = {}): number {
  const matching = (family?.samples ?? []).filter((sample) =>
    Object.entries(labels).every(([name, value]) => sample.labels[name] === value),
  );
  return matching.reduce((sum, { value }) => sum + value, 0);
}
