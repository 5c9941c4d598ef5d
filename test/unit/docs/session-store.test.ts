import { readFileSync } from 'node:fs';
import t from 'tap';
import { SESSION_STORE_FLAGS } from '../../../src/cli/commands/sidecar-session-store.js';
import { type Flag, variableOf } from '../../../src/cli/flags.js';
import { ACL_RULES, CLUSTER_ACL_RULES } from '../../support/redis.js';

const page = readFileSync(new URL('../../../../docs/session-store.md', import.meta.url), 'utf8');

t.test('docs/session-store.md has every flag with its default', async (t) => {
  const rows = [...page.matchAll(/^\| `--([\w-]+)` \| (?:`(\w+)` )?\|/gm)];
  const documented = Object.fromEntries(rows.map(([, name, value]) => [name, value ?? '']));
  const flags: readonly Flag<unknown>[] = Object.values(SESSION_STORE_FLAGS);
  t.strictSame(documented, Object.fromEntries(flags.map((flag) => [flag.name, flag.default ?? ''])));
  t.match(page, `\`${variableOf(SESSION_STORE_FLAGS.sessionStoreTimeout)}\``);
});

t.test('docs/session-store.md gives the user the rights that tests show to be enough', async (t) => {
  t.match(page, `ACL SETUSER roost on >PASSWORD ${ACL_RULES}\n`);
  t.match(page, `In a cluster, add \`${CLUSTER_ACL_RULES}\`.`);
});
