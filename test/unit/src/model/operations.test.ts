import t from 'tap';
import {
  isAllOnStable,
  ledElsewhere,
  OperationError,
  withAbort,
  withPromotion,
  withSplit,
} from '../../../../src/model/operations.js';
import type { MeshServiceInput } from '../../../../src/model/schema.js';
import { checkout, labelled } from '../../../support/shop.js';

const three = { v1: 1, v2: 1, v3: 1 };
const document = (split: Record<string, number>, routes: object[] = []) =>
  checkout({ split, routes, pods: three }) as unknown as MeshServiceInput;
const splitOf = ({ spec }: MeshServiceInput, route = -1) =>
  (spec.routes?.at(route)?.split ?? []).map(({ version, weight }) => `${version}=${weight}`).join(' ');
const entries = (split: Record<string, number>) =>
  Object.entries(split).map(([version, weight]) => ({ version, weight }));

t.test(
  'a split keeps the places of the releases that it had: another order would move sessions',
  async (t) => {
    const before = document({ v1: 90, v2: 10 });
    t.equal(splitOf(withSplit(before, entries({ v2: 20, v1: 80 }))), 'v1=80 v2=20');
    t.equal(
      splitOf(withSplit(before, entries({ v3: 5, v2: 20, v1: 75 }))),
      'v1=75 v2=20 v3=5',
      'new ones come last',
    );
    t.equal(splitOf(withSplit(before, entries({ v3: 1, v2: 1 }))), 'v2=1 v3=1');
    t.equal(splitOf(withSplit(before, entries({ v3: 1 }))), 'v3=1');
    const labelledFirst = document({ v1: 90, v2: 10 }, [labelled('v2')]);
    t.equal(splitOf(withSplit(labelledFirst, entries({ v2: 1, v1: 1 }), 'default')), 'v1=1 v2=1');
    t.equal(splitOf(withSplit(labelledFirst, entries({ v2: 1 }), 'qa'), 0), 'v2=1', 'of the named route');
  },
);

t.test('what the service does not allow is refused by name', async (t) => {
  const before = document({ v1: 90, v2: 10 });
  t.throws(() => withSplit(before, entries({ v9: 1 })), { message: /"v9" is not a version of this service/ });
  t.throws(() => withSplit(before, entries({ v1: 1 }), 'nowhere'), OperationError);
  t.throws(() => withPromotion(before, 'v9'), OperationError);
});

t.test('promotion and abort leave labels alone', async (t) => {
  const before = document({ v1: 90, v2: 10 }, [labelled('v2')]);
  const promoted = withPromotion(before, 'v2');
  t.equal(promoted.spec.stable, 'v2');
  t.same([splitOf(promoted, 0), splitOf(promoted)], ['v2=1', 'v2=1']);
  t.equal(splitOf(withAbort(before, { drain: false, labels: false })), 'v1=1');
  const drained = withAbort(before, { drain: true, labels: false });
  t.same([splitOf(drained, 0), splitOf(drained)], ['v2=1', 'v1=1 v2=0']);
});

t.test('an abort with labels leads every request to stable: those of labels, and of lanes', async (t) => {
  const before = document({ v1: 90, v2: 10 }, [labelled('v2')]);
  const laned = {
    ...before,
    spec: {
      ...before.spec,
      versions: before.spec.versions.map((version) =>
        version.name === 'v2' ? { ...version, lane: 'canary' } : version,
      ),
    },
  };
  t.same(ledElsewhere(laned).labels, ['route "qa" (x-region=us-east) to v2', 'lane "canary" to v2']);
  const aborted = withAbort(laned, { drain: false, labels: true });
  t.same([splitOf(aborted, 0), splitOf(aborted)], ['v1=1', 'v1=1']);
  t.same(ledElsewhere(aborted), { labels: [], mirrors: [] });
  const drained = withAbort(laned, { drain: true, labels: true });
  t.same([splitOf(drained, 0), splitOf(drained)], ['v1=1 v2=0', 'v1=1 v2=0']);
});

t.test('mirrors to another release than stable are told apart: they answer nobody', async (t) => {
  const mirrored = document({ v1: 1 }, [
    {
      name: 'shadow',
      match: [{ path: { prefix: '/cart' } }],
      split: [{ version: 'v1', weight: 1 }],
      mirror: { version: 'v2' },
    },
  ]);
  t.same(ledElsewhere(mirrored), { labels: [], mirrors: ['route "shadow" to v2'] });
});

t.test('an abort has nothing to take away where every split gives all weight to stable', async (t) => {
  t.equal(isAllOnStable(document({ v1: 100 }, [labelled('v2')])), true, 'labels aside');
  t.equal(isAllOnStable(document({ v1: 9, v2: 0 })), true);
  t.equal(isAllOnStable(document({ v1: 9, v2: 1 })), false);
  t.equal(isAllOnStable(withPromotion(document({ v1: 9, v2: 1 }), 'v2')), true);
});
