import t from 'tap';
import type { AdsStream } from '../../../../control-plane/ads/ads-stream.js';
import { RevisionWait } from '../../../../control-plane/api/revision-wait.js';
import type { ReplicaReport } from '../../../../control-plane/store/presence.js';

const REPORT: ReplicaReport = {
  name: 'b',
  version: '1',
  revision: 7,
  clients: 3,
  settled: 3,
  rejections: [],
};

/** A wait for revision 7 at a control plane with these clients, over a store with these others. */
function waitFor(streams: readonly Partial<AdsStream>[], others: ReplicaReport[]) {
  const ads = { streams, isConnected: () => true };
  const store = { current: { revision: 7 }, presence: { others } };
  return new RevisionWait(ads as never, store as never, 7, (namespace) => namespace !== 'bank');
}

const silent = (id: string, namespace: string, forMs: number): Partial<AdsStream> => ({
  node: { id, namespace } as never,
  unansweredSinceMs: Date.now() - forMs,
  hasRejection: false,
  settled: () => false,
});

t.test('clients of other control planes are waited for, but for those that were late before', async (t) => {
  const others = [{ ...REPORT, settled: 1, late: 1 }];
  const wait = waitFor([], others);
  t.equal(wait.isDone, false);
  others[0] = { ...REPORT, settled: 2, late: 1 };
  t.equal(wait.isDone, true);
  t.match(wait.progress, { connected: 3, settled: 2, done: true });
  others[0] = { ...REPORT, settled: 1, late: 2 };
  t.equal(wait.isDone, false, 'one that has become late meanwhile is waited for');
  others[0] = { ...REPORT, revision: 6, settled: 3, late: 0 };
  t.equal(wait.isDone, false, 'and a control plane that does not serve the revision yet');
  t.equal(waitFor([], [{ ...REPORT, settled: 2 }]).isDone, false, 'an older one says nothing of who is late');
});

t.test(
  'late clients are named to who may see their namespace, those of others with where they are',
  async (t) => {
    const unanswered = [
      { client: 'c', namespace: 'shop', sinceMs: Date.now() - 60_000 },
      { client: 'secret', namespace: 'bank', sinceMs: 0 },
      { client: 'd', namespace: 'shop', sinceMs: 0 },
    ];
    const wait = waitFor(
      [silent('a', 'shop', 9000), silent('b', 'bank', 9000)],
      [{ ...REPORT, settled: 0, late: 1, unanswered }],
    );
    const { late, connected, settled } = wait.progress;
    t.same([connected, settled], [5, 0]);
    t.same(
      late.map(({ client, lateBefore }) => [client, lateBefore]),
      [
        ['a', true],
        ['c (at b)', true],
        ['d (at b)', false],
      ],
    );
    t.equal(late.at(-1)?.silentMs, 0, 'not told yet');
  },
);
