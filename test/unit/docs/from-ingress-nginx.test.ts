import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ANNOTATIONS } from '../../../src/import-ingress/annotation-table.js';
import { CASES } from '../../support/ingress/cases.js';

/**
 * The tables of `docs/from-ingress-nginx.md` are the code's: its annotations, and the cases in which it answers
 * otherwise than ingress-nginx. `UPDATE_GOLDEN=1` writes them.
 */
const path = fileURLToPath(new URL('../../../../docs/from-ingress-nginx.md', import.meta.url));

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replace(/\|/g, '\\|')).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

const code = (text: string) => (text === '' ? '–' : `\`${text}\``);

const annotations = table(
  ['annotation', 'outcome', 'becomes', 'note'],
  ANNOTATIONS.map(({ names, outcome, becomes, note }) => [
    names.map(code).join(' '),
    outcome === 'none' ? 'no counterpart' : outcome,
    code(becomes),
    note,
  ]),
);

const differing = CASES.filter(({ here }) => here !== undefined);
const same = CASES.filter(({ here }) => here === undefined);
const differences = `${table(
  ['#', 'configuration; request', 'ingress-nginx', 'Roost', 'why'],
  differing.map(({ id, given, there, here }) => [id, given, there, here?.answer ?? '', here?.why ?? '']),
)}\n\nThe same answers: ${same.map(({ id }) => id).join(', ')}.`;

for (const [name, expected] of Object.entries({ annotations, differences })) {
  t.test(`the table of ${name} is the code's`, async (t) => {
    const text = readFileSync(path, 'utf8');
    const [start, end] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
    const [before = '', rest = ''] = text.split(start);
    const [found = '', after = ''] = rest.split(end);
    if (process.env.UPDATE_GOLDEN !== undefined)
      writeFileSync(path, `${before}${start}${expected}\n${end}${after}`);
    t.equal(found, `${expected}\n`);
  });
}
