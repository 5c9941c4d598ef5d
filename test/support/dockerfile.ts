import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './compose.js';

/** One `FROM … AS …` of the Dockerfile with its instructions. */
export interface Stage {
  readonly name: string;
  readonly base: string;
  readonly instructions: readonly { readonly name: string; readonly rest: string }[];
}

/** A `COPY --from=…`. */
export interface Copy {
  readonly from: string;
  readonly sources: readonly string[];
  readonly target: string;
}

/** Reads the Dockerfile, which has no line continuations. Bases are as the defaults of its arguments make them. */
export function readDockerfile(): Stage[] {
  const stages: { name: string; base: string; instructions: { name: string; rest: string }[] }[] = [];
  const defaults = new Map<string, string>();
  for (const line of readFileSync(join(ROOT, 'Dockerfile'), 'utf8').split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [name = '', ...words] = line.split(' ');
    if (name === 'ARG' && stages.length === 0) {
      const [argument = '', ...value] = words.join(' ').split('=');
      defaults.set(argument, value.join('='));
    } else if (name === 'FROM') {
      const [from = '', , stage = ''] = words;
      const base = from.replace(/\$\{(\w+)\}/g, (_, argument) => defaults.get(argument) ?? '');
      stages.push({ name: stage, base, instructions: [] });
    } else stages.at(-1)?.instructions.push({ name, rest: words.join(' ') });
  }
  return stages;
}

/** What a stage takes from other stages. */
export function copiesOf({ instructions }: Stage): Copy[] {
  return instructions.flatMap(({ name, rest }) => {
    const found = /^--from=(\S+) (.*) (\S+)$/.exec(rest);
    return name === 'COPY' && found
      ? [{ from: found[1] as string, sources: (found[2] as string).split(' '), target: found[3] as string }]
      : [];
  });
}

/** The words of an instruction in its JSON form: `ENTRYPOINT ["node", "main.js"]`. */
export function entrypointOf({ instructions }: Stage): string[] {
  const found = instructions.findLast(({ name }) => name === 'ENTRYPOINT');
  return found === undefined ? [] : (JSON.parse(found.rest) as string[]);
}
