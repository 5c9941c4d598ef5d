import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

/** docs/semantics.md says which tests prove which case; here those tests are looked up. */

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const page = readFileSync(join(root, 'docs/semantics.md'), 'utf8');
const [normative = '', proof = ''] = page.split('## What proves it');

/** Titles of a file's tests, as they stand in its source. */
function titlesIn(link: string): string[] {
  const source = readFileSync(join(root, 'docs', link), 'utf8');
  return [...source.matchAll(/\bt\.test\(\s*(['"`])(.*?)\1,/gs)].map(([, , title]) => title as string);
}

/** `16 under balanced: …` and `8, 9: …` say which cases they are about. */
function casesOf(title: string): number[] {
  const numbers = /^\d+(?:, \d+)*(?=[: ])/.exec(title)?.[0];
  return numbers === undefined ? [] : numbers.split(', ').map(Number);
}

const linksIn = (cell: string) => [...cell.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link as string);
const rowsOf = (text: string, first: RegExp) =>
  text
    .split('\n')
    .map((line) => line.split('|').slice(1, -1))
    .filter(([cell]) => cell !== undefined && first.test(cell.trim()));
const numbered = /^\d+$/;

t.test('every case of the semantics is listed, with a unit test and a black-box test', async (t) => {
  const cases = rowsOf(normative, numbered).map(([number]) => Number(number));
  const listed = rowsOf(proof, numbered).map(([number]) => Number(number));
  t.ok(cases.length >= 28);
  t.same(listed, cases);
});

t.test('every test that is named for a case exists', async (t) => {
  for (const [number, unit = '', blackBox = ''] of rowsOf(proof, numbered)) {
    t.ok(
      linksIn(unit).some((link) => link.startsWith('../test/unit/')),
      `case ${number} has a unit test`,
    );
    t.ok(
      linksIn(blackBox).some((link) => !link.startsWith('../test/unit/')),
      `case ${number} has a black-box test`,
    );
    for (const link of [...linksIn(unit), ...linksIn(blackBox)]) {
      const cases = titlesIn(link).flatMap(casesOf);
      t.ok(cases.includes(Number(number)), `${link} has a test of case ${number}`);
    }
  }
});

t.test('every paragraph names its tests, and they exist', async (t) => {
  const paragraphs = [...normative.matchAll(/^## (S\d+) /gm)].map(([, name]) => name);
  const rows = rowsOf(proof, /^S\d+$/);
  t.same(
    rows.map(([name]) => name?.trim()),
    paragraphs,
  );
  for (const [name, tests = ''] of rows) {
    let titles: string[] = [];
    for (const [, link, title] of tests.matchAll(/\]\(([^)]+)\)|"([^"]+)"/g)) {
      if (link) titles = titlesIn(link);
      else t.ok(titles.includes(title as string), `${name}: "${title}"`);
    }
    t.match(tests, /"/, `${name} names a test`);
  }
});
