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
  'exchange',
  'outbound',
  'inbound',
  'intercept',
  'records',
  'admin',
  'assembly',
  'workers',
  '.',
];

/** Imports that the split into codecs and one policy path has still to remove. */
const UPWARDS_FOR_NOW: readonly string[] = [
  'http1/downstream-connection.ts → intercept/sniff.ts',
  'net/left-clients.ts → http1/downstream-connection.ts',
  'net/listener.ts → http/downstream-stream.ts',
  'net/listener.ts → http/limits.ts',
  'net/listener.ts → http1/downstream-connection.ts',
  'tcp/opaque-tunnel.ts → outbound/destination-guard.ts',
];
const CIRCLES_FOR_NOW: readonly string[] = [];

const edges = importsWithin('sidecar');

t.test('finds the imports of the sidecar', async (t) => {
  t.ok(edges.length > 300, `${edges.length} imports`);
});

t.test('no folder of the sidecar imports from one above it', async (t) => {
  const upwards = importsUpwards(edges, LOWEST_FIRST);
  t.same(
    upwards.filter((each) => !UPWARDS_FOR_NOW.includes(each)),
    [],
    'no other than those known',
  );
  t.same(
    UPWARDS_FOR_NOW.filter((each) => !upwards.includes(each)),
    [],
    'take these off the list: they are gone',
  );
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
  const circles = circlesOf(edges);
  t.same(
    circles.filter((each) => !CIRCLES_FOR_NOW.includes(each)),
    [],
    'no other than those known',
  );
  t.same(
    CIRCLES_FOR_NOW.filter((each) => !circles.includes(each)),
    [],
    'take these off the list: they are gone',
  );
});
