import { againWithTwoWorkers } from '../../support/two-workers.js';

await againWithTwoWorkers(() => import('../salt-auto.test.js'));
