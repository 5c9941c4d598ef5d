import { againWithTwoWorkers } from '../../support/two-workers.js';

await againWithTwoWorkers(() => import('../views-that-differ.test.js'));
