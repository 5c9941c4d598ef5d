import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';

/** The table of docs/xds-conformance.md names tests that there are, and one for whatever it says that we do. */

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const read = (path: string) => readFileSync(`${root}${path}`, 'utf8');

interface Row {
  readonly rule: string;
  readonly claims: readonly string[];
  readonly tests: readonly { readonly title: string; readonly file: string }[];
}

function rowOf(line: string): Row {
  const [rule = '', server = '', client = '', shownBy = ''] = line.split(' | ');
  const links = [...shownBy.matchAll(/\[([^\]]+)\]\(\.\.\/([^)]+)\)/g)];
  return {
    rule: rule.replace(/^\| /, ''),
    claims: [server, client],
    tests: links.map(([, title = '', file = '']) => ({ title, file })),
  };
}

const [, section = ''] = read('docs/xds-conformance.md').split('\n## Rules\n');
const rows = section
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .slice(1)
  .map(rowOf)
  .filter(({ rule }) => !rule.startsWith('**'));

t.ok(rows.length > 25, `${rows.length} rules`);

for (const { rule, claims, tests } of rows)
  t.test(rule, async (t) => {
    if (claims.some((claim) => !/^(no\b|–)/.test(claim))) t.not(tests.length, 0, 'has a test');
    for (const { title, file } of tests) {
      const titles = [
        `t.test('${title}'`,
        `inEachProtocol('${title}'`,
        `'${title}',\n`,
        `: ${title}\``,
        `\`${title}\``,
      ];
      t.ok(
        titles.some((form) => read(file).includes(form)),
        `${file} has "${title}"`,
      );
    }
  });
