import { readFileSync } from 'node:fs';
import t from 'tap';
import { parse } from 'yaml';
import { FIELD_DOCS } from '../../../../src/model/field-docs.js';
import { meshServiceJsonSchema } from '../../../../src/model/json-schema.js';
import { fieldRows } from '../../../../src/reference/mesh-service-page.js';
import { referencePages } from '../../../../src/reference/write-reference.js';

t.test('the reference pages are those that the code makes: npm run reference', async (t) => {
  for (const [path, text] of Object.entries(await referencePages()))
    t.equal(readFileSync(path, 'utf8'), text, path);
});

t.test('every field is documented, and nothing else is', async (t) => {
  const paths = fieldRows().map(({ path }) => path);
  t.same(Object.keys(FIELD_DOCS).sort(), [...new Set(paths)].sort());
});

t.test('examples are YAML', async (t) => {
  for (const [path, { example }] of Object.entries(FIELD_DOCS))
    if (example !== undefined) t.doesNotThrow(() => parse(example), path);
});

t.test('the schema tells editors what fields mean, and their defaults', async (t) => {
  const { properties } = meshServiceJsonSchema();
  const affinity = properties?.spec?.properties?.affinity;
  t.equal(affinity?.properties?.ttl?.default, '1h', 'as a user writes it');
  t.equal(affinity?.description, 'what a session is, and what stays where it is');
  t.equal(properties?.spec?.properties?.protocol?.default, 'http');
});
