import t from 'tap';
import { parse } from 'yaml';
import { formatYaml } from '../../../../src/cli/format-yaml.js';

t.test('a document is printed so that it reads back, whatever its texts hold', async (t) => {
  const odd = { 'k\x9b': ['a\x1b[2Jb', 'two\nlines', '\u202eabc', '\u{e0041}', 'plain 中文', '1', 1] };
  const yaml = formatYaml(odd);
  t.notMatch(yaml, /[^\P{C}\n]/u);
  t.strictSame(parse(yaml), odd);
  t.equal(formatYaml({ name: 'checkout' }), 'name: checkout\n');
});
