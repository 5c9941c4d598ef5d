import t from 'tap';
import { OwedAssignments } from '../../../../control-plane/ads/owed-assignments.js';

const all = () => true;
const named = ({ names }: OwedAssignments) => [...names].join(' ');

t.test('a cluster that was sent is owed its assignment until that is sent', async (t) => {
  const owed = OwedAssignments.none.afterSending('cluster', ['a', 'b', 'dns'], (name) => name !== 'dns');
  t.equal(named(owed), 'a b', 'where it has one');
  const less = owed.afterSending('endpoint', ['a'], all);
  t.equal(named(less), 'b');
  t.equal(named(owed), 'a b', 'what others share is not changed');
  t.equal(less.afterSending('endpoint', ['b'], all), OwedAssignments.none);
  t.equal(
    owed.afterSending('cluster', ['a', 'b'], () => false),
    OwedAssignments.none,
    'a cluster that has turned to DNS waits for nothing',
  );
});

t.test('what changes nothing gives the same', async (t) => {
  const owed = OwedAssignments.none.afterSending('cluster', ['a'], all);
  t.equal(owed.afterSending('cluster', ['a'], all), owed);
  t.equal(owed.afterSending('endpoint', ['b'], all), owed);
  t.equal(owed.afterSending('route', ['a'], all), owed);
  t.not(owed.id, OwedAssignments.none.id);
});
