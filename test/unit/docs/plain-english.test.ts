import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { PAGES, read } from '../../support/documentation.js';

/** Words that hide the actor of a sentence stay out of the documentation: "the client", "a caller", "again" say it. */

const HIDING =
  /\b(?:nobody|whoever|somebody|anew|such a one|go(?:es)? round|gone round|(?:has|have) to do with)\b/gi;

/** The contract is quoted as it was agreed, and titles of tests as they are. */
function ownWords(page: string): string {
  const text = read(page);
  const [, afterCases] = page === 'docs/semantics.md' ? text.split('\n## How Roost reads it\n') : [];
  return (afterCases ?? text)
    .replace(/^( *)```.*?^\1```/gms, '')
    .replace(/\[[^\]]*\]\([^)]*\/test\/[^)]*\)(?:: [^;|\n]*|: "[^"]*")?/g, '')
    .replace(/"[^"\n]*"/g, '');
}

for (const page of PAGES)
  t.test(`${page} names its actors`, async (t) => {
    t.same(ownWords(page).match(HIDING) ?? [], []);
  });

/** Folders whose comments other work is changing; their words are checked when that is done. */
const LATER = /^sidecar\/(?:http1|exchange|outbound|inbound|cluster|pool)\//;

const COMMENT = /\/\*[\s\S]*?\*\/|(?:^|\s)\/\/.*$/gm;

for (const root of ['src', 'control-plane', 'sidecar'])
  t.test(`comments in ${root} name their actors`, async (t) => {
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => `${root}/${file}`)
      .filter((file) => !LATER.test(file));
    const found = files.flatMap((file) =>
      (readFileSync(file, 'utf8').match(COMMENT) ?? []).flatMap((comment) =>
        (comment.match(HIDING) ?? []).map((word) => `${file}: ${word}`),
      ),
    );
    t.ok(files.length > 50);
    t.same(found, []);
  });
