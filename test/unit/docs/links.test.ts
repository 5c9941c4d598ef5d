import { readdirSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import t from 'tap';
import { markdownIn, PAGES, proseOf, ROOT, read } from '../../support/documentation.js';

/** Every relative link of the documentation leads to a file and to a heading of it, and the index names every page. */

const exists = (path: string) => statSync(join(ROOT, path), { throwIfNoEntry: false }) !== undefined;

/** The anchors that GitHub gives a page's headings. */
function anchorsIn(page: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of proseOf(page).matchAll(/^#{1,6} (.+)$/gm)) {
    const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1');
    const slug = text
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}

for (const page of PAGES)
  t.test(`every relative link of ${page} leads somewhere`, async (t) => {
    for (const [, link = ''] of proseOf(page).matchAll(/\]\((?!\w+:)([^)\s]+)\)/g)) {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : normalize(join(dirname(page), path));
      if (!exists(target)) t.fail(`${link}: there is no ${target}`);
      else if (anchor !== undefined && target.endsWith('.md'))
        t.ok(anchorsIn(target).has(anchor), `${target} has a heading #${anchor}`);
    }
  });

t.test('the index of the documentation links to every page', async (t) => {
  const linksIn = (index: string) =>
    [...proseOf(index).matchAll(/\]\((?!\w+:)([^)#\s]+)/g)].map(([, link = '']) =>
      normalize(join(dirname(index), link)),
    );
  const listed = [...linksIn('docs/README.md'), ...linksIn('docs/adr/README.md')];
  const missing = markdownIn('docs').filter((page) => page !== 'docs/README.md' && !listed.includes(page));
  t.same(missing, []);
});

t.test('every page begins with its title and says below it what it is for', async (t) => {
  for (const page of markdownIn('docs')) {
    const [title = '', blank, purpose = ''] = read(page).split('\n');
    t.match(title, /^# \S/, `${page} has a title`);
    t.equal(blank, '', `${page} has an empty line below its title`);
    t.match(purpose, /^[\p{L}\p{N}`*]/u, `${page} begins with what it is for`);
  }
});

t.test('every page that the code refers to exists', async (t) => {
  const sources = ['src', 'sidecar', 'control-plane', 'bench', 'examples', 'test'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(folder, file)),
  );
  t.ok(sources.length > 500);
  const missing = ['Dockerfile', 'docker-compose.yml', ...sources].flatMap((file) =>
    [...read(file).matchAll(/\bdocs\/[\w/-]+\.md\b/g)]
      .filter(([page]) => !exists(page))
      .map(([page]) => `${file}: ${page}`),
  );
  t.same(missing, []);
});

t.test('every source file that a page names exists', async (t) => {
  const bases = ['', 'sidecar', 'src', 'examples/shop'];
  for (const page of PAGES)
    for (const [, path = ''] of proseOf(page).matchAll(/`([\w.-]+(?:\/[\w.-]+)+\.(?:ts|yaml|json|proto))`/g))
      t.ok(
        bases.some((base) => exists(join(base, path))),
        `${page}: ${path}`,
      );
});
