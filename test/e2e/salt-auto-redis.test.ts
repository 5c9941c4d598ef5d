import t from 'tap';
import { REDIS, RedisServer } from '../support/redis.js';

/** The same cases with the pins in Redis: sidecars look up what they do not know. */

if (REDIS.skip) t.test('pins in Redis', { skip: REDIS.skip }, async () => {});
else {
  const redis = await RedisServer.start(t);
  process.env.ROOST_TEST_SESSION_STORE = `redis://127.0.0.1:${redis.port}`;
  await import('./salt-auto.test.js');
}
