import type { RedisServer } from '../../support/redis.js';
import type { Fault } from '../fault.js';

/** Faults of the database that keeps the pins of the whole fleet. */
export function sessionStoreFaults(redis: RedisServer): Fault[] {
  return [
    {
      name: 'redis-killed',
      async run(world) {
        await redis.kill();
        await world.dwell(500, 2500);
        await redis.launch();
      },
    },
    {
      // Connections stay open and say nothing: each look-up waits until its deadline.
      name: 'redis-frozen',
      async run(world) {
        redis.freeze();
        await world.dwell(1000, 3000);
        redis.thaw();
      },
    },
    {
      name: 'redis-full',
      async run(world) {
        await redis.ask('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
        await redis.ask('CONFIG', 'SET', 'maxmemory', '1');
        await world.dwell(1000, 2500);
        await redis.ask('CONFIG', 'SET', 'maxmemory', '0');
      },
    },
    {
      // As after a failover: writes are refused until the sidecar finds the new primary.
      name: 'redis-read-only',
      async run(world) {
        await redis.ask('CONFIG', 'SET', 'replica-serve-stale-data', 'yes');
        await redis.ask('REPLICAOF', '127.0.0.1', '1');
        await world.dwell(1000, 2500);
        await redis.ask('REPLICAOF', 'NO', 'ONE');
      },
    },
    {
      name: 'redis-emptied',
      async run(world) {
        await redis.ask('FLUSHALL');
        await world.dwell(200, 1000);
      },
    },
    {
      name: 'redis-and-control-plane-killed',
      async run(world) {
        const victim = world.pick(world.controlPlanes);
        await redis.kill();
        await victim.kill();
        await world.dwell(500, 2000);
        await redis.launch();
        await victim.start();
      },
    },
  ];
}
