import t from 'tap';
import { circlesOf, importsUpwards, importsWithin } from '../../support/import-graph.js';

/** From the socket upwards: a folder imports from those above it in this list, and from none below. */
const LOWEST_FIRST = [
  'shared-memory',
  'net',
  'tls',
  'http',
  'cluster',
  'http1',
  'http2',
  'pool',
  'session',
  'session/store',
  'discovery',
  'session/sharing',
  'tcp',
  'intercept',
  'exchange',
  'outbound',
  'inbound',
  'records',
  'admin',
  'assembly',
  'workers',
  '.',
];

const edges = importsWithin('sidecar');

t.test('finds the imports of the sidecar', async (t) => {
  t.ok(edges.length > 300, `${edges.length} imports`);
});

t.test('no folder of the sidecar imports from one above it', async (t) => {
  t.same(importsUpwards(edges, LOWEST_FIRST), []);
});

/** What works on neutral requests and streams. */
const ABOVE_THE_CODECS = ['cluster', 'discovery', 'exchange', 'records', 'session'];

t.test('what is above the codecs names none of them', async (t) => {
  const names = edges.filter(
    ({ from, to }) => ABOVE_THE_CODECS.includes(from.split('/')[0] ?? '') && /^http[12]\//.test(to),
  );
  t.same(names, []);
});

t.test('no files of the sidecar import each other in a circle', async (t) => {
  t.same(circlesOf(edges), []);
});
