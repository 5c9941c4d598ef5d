import t from 'tap';
import { ETCD, EtcdCluster } from './etcd.js';
import { startControlPlane } from './processes.js';
import { REDIS, RedisServer } from './redis.js';

/** Runs a file of tests once more with the pins in Redis: sidecars look up the sessions that they do not know. */
export async function againWithRedis(run: () => Promise<unknown>): Promise<void> {
  if (REDIS.skip) {
    await t.test('pins in Redis', { skip: REDIS.skip }, async () => {});
    return;
  }
  const redis = await RedisServer.start(t);
  process.env.ROOST_TEST_SESSION_STORE = `redis://127.0.0.1:${redis.port}`;
  await run();
}

/** Runs a file of tests once more with two control planes over one etcd, which the sidecars use in turn. */
export async function againOverEtcd(run: () => Promise<unknown>): Promise<void> {
  if (ETCD.skip) {
    await t.test('two control planes over etcd', { skip: ETCD.skip }, async () => {});
    return;
  }
  const etcd = await EtcdCluster.start(t);
  const replicas = await Promise.all(
    ['a', 'b'].map((name) => startControlPlane(t, ['--store', etcd.store(), '--replica', name])),
  );
  process.env.ROOST_TEST_CONTROL_PLANES = replicas.map(({ grpc }) => grpc).join(',');
  await run();
}
