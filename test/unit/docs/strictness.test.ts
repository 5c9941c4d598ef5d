import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { BOUND_FLAGS } from '../../../src/cli/commands/sidecar-bounds.js';
import { ODD_REQUESTS } from '../../support/http1/odd-corpus.js';
import { BROKEN_CHUNKS, REFUSED_HEADS } from '../../support/http1/smuggling-corpus.js';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const page = readFileSync(join(root, 'docs/strictness.md'), 'utf8');

/** Rows of tables whose last cell names tests. */
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| ') && line.includes('](../test/'))
  .map((line) => line.slice(2, -2).split(' | '));

/** Tests that a cell names, each with its whole title where its file has one that begins so. */
function testsOf(cell: string): { path: string; title: string; whole: string | undefined }[] {
  return cell.split('; ').map((part) => {
    const [, path = '', title = ''] = /^\[[\w-]+\]\(\.\.\/([^)]+)\): (.+)$/.exec(part) ?? [];
    const source = readFileSync(join(root, path), 'utf8');
    const at = source.indexOf(`'${title}`);
    return { path, title, whole: at === -1 ? undefined : source.slice(at, source.indexOf("',", at)) };
  });
}

t.test('every test that the page names exists', async (t) => {
  t.ok(rows.length > 50, `${rows.length} rows`);
  for (const row of rows)
    for (const { path, title, whole } of testsOf(row.at(-1) as string)) t.ok(whole, `${path}: ${title}`);
});

t.test('every rule’s test cites the section that the page gives for it', async (t) => {
  const rules = rows.filter(([, cited]) => /^91\d\d §/.test(cited as string));
  t.ok(rules.length > 35, `${rules.length} rules`);
  for (const [rule, cited, , tests] of rules) {
    const [document, ...sections] = (cited as string).replaceAll(/[§,]/g, '').split(' ');
    const titles = testsOf(tests as string).map(({ whole }) => whole ?? '');
    const cites = titles.some(
      (title) =>
        title.includes(`RFC ${document} section`) && sections.every((section) => title.includes(section)),
    );
    t.ok(cites, `${rule}: ${cited}`);
  }
});

t.test('the table of bounds equals the flags', async (t) => {
  const documented = rows.filter(([flag]) => flag?.startsWith('`--')).map(([flag, value]) => [flag, value]);
  const flags = Object.values(BOUND_FLAGS).map((flag) => [`\`--${flag.name}\``, flag.default]);
  t.strictSame(documented.sort(), flags.sort());
});

t.test('the differential test has as many messages as the page says', async (t) => {
  const count = ODD_REQUESTS.length + REFUSED_HEADS.length + BROKEN_CHUNKS.length;
  t.ok(page.includes(`**Differential.** ${count} messages`), String(count));
});
