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

t.test('what YAML 1.1 reads as something else than text is quoted: keys, too', async (t) => {
  const texts = [
    ...['yes', 'no', 'on', 'off', 'y', 'n', 'Y', 'N', 'Yes', 'NO', 'On', 'OFF', 'true', 'null', '~', ''],
    ...['12:30:00', '1:20', '190:20:30.15', '0755', '0o17', '0x1f', '0b101', '1_000', '1e3', '.inf', '.NaN'],
    ...['2026-11-22', '2026-11-22T12:00:00Z', '<<', '=', '- a', 'a: b', '#c', '@d', '1.10', '-5'],
  ];
  const document = { values: texts, keys: Object.fromEntries(texts.map((text) => [`${text}`, text])) };
  const yaml = formatYaml(document);
  for (const version of ['1.1', '1.2'] as const)
    t.strictSame(parse(yaml, { version, merge: version === '1.1' }), document, version);
  t.match(formatYaml({ exact: 'yes' }), 'exact: "yes"\n');
  t.equal(
    formatYaml({ exact: 'yesterday', port: 80, on: false }),
    'exact: yesterday\nport: 80\n"on": false\n',
  );
});
