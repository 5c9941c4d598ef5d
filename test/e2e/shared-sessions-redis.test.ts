import { againWithRedis } from '../support/sharing-again.js';

await againWithRedis(() => import('./shared-sessions.test.js'));
