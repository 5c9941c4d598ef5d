import t from 'tap';
import { circlesOf, importsUpwards, importsWithin } from '../../support/import-graph.js';

/** A folder imports from those above it in its list, and from none below. The sidecar has a test of its own. */
const LOWEST_FIRST: Readonly<Record<string, readonly string[]>> = {
  src: [
    '.',
    'hashing',
    'telemetry',
    'net',
    'http',
    'lifecycle',
    'redirect',
    'model',
    'access',
    'xds/bundle',
    'xds',
    'routing',
    'sessions',
    'import-ingress',
    'inject',
    'api',
    'cli',
    'kubernetes',
    'kubernetes/check',
    'cli/commands',
    'cli/program.ts',
    'reference',
    // The command itself, which knows every verb.
    'cli/main.ts',
    // What other programs import.
    'index.ts',
  ],
  'control-plane': [
    'endpoints',
    'translate',
    'store',
    'store/file',
    'store/etcd',
    'source',
    'source/files',
    'source/kubernetes',
    // Constructs the sources.
    'source/open-sources.ts',
    'access',
    'ports',
    'snapshot',
    'ads',
    'load',
    'plan',
    'sessions',
    'replicas',
    'api',
    'webhook',
    '.',
  ],
};

/** The command line completes itself, too: the command loads the program when it runs. */
const KNOWN: readonly string[] = [
  'cli/commands/completion.ts → cli/program.ts',
  'cli/program.ts → cli/commands/completion.ts → cli/program.ts',
];
const isNew = (found: string) => !KNOWN.includes(found);

for (const [root, order] of Object.entries(LOWEST_FIRST)) {
  const edges = importsWithin(root);

  t.test(`finds the imports of ${root}`, async (t) => {
    t.ok(edges.length > 100, `${edges.length} imports`);
  });

  t.test(`no folder of ${root} imports from one above it`, async (t) => {
    t.same(importsUpwards(edges, order).filter(isNew), []);
  });

  t.test(`no files of ${root} import each other in a circle`, async (t) => {
    t.same(circlesOf(edges).filter(isNew), []);
  });
}
