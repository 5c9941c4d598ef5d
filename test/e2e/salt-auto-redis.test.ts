import { againWithRedis } from '../support/sharing-again.js';

await againWithRedis(() => import('./salt-auto.test.js'));
