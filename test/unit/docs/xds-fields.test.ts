import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { fieldsPage } from '../../support/xds/fields-page.js';

const page = fileURLToPath(new URL('../../../../docs/xds-fields.md', import.meta.url));
const MARK = '<!-- made by the test: UPDATE_GOLDEN=1 -->\n';

t.test('docs/xds-fields.md says of every field what sidecars do with it', async (t) => {
  const [introduction = '', listed = ''] = readFileSync(page, 'utf8').split(MARK);
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(page, `${introduction}${MARK}\n${fieldsPage()}`);
  else t.equal(listed, `\n${fieldsPage()}`);
});
