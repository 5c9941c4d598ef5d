import t from 'tap';
import { ETCD, EtcdCluster } from '../support/etcd.js';
import { startControlPlane } from '../support/processes.js';

/** The same cases with two control planes over one etcd: pods A and C of the caller are at one, pod B at the other. */

if (ETCD.skip) t.test('two control planes over etcd', { skip: ETCD.skip }, async () => {});
else {
  const etcd = await EtcdCluster.start(t);
  const replicas = await Promise.all(
    ['a', 'b'].map((name) => startControlPlane(t, ['--store', etcd.store(), '--replica', name])),
  );
  process.env.ROOST_TEST_CONTROL_PLANES = replicas.map(({ grpc }) => grpc).join(',');
  await import('./salt-auto.test.js');
}
