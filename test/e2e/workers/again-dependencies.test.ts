import { againWithTwoWorkers } from '../../support/two-workers.js';

await againWithTwoWorkers(() => import('../dependencies.test.js'));
