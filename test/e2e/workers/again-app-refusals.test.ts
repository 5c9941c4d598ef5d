import { againWithTwoWorkers } from '../../support/two-workers.js';

await againWithTwoWorkers(() => import('../../integration/app-refusals.test.js'));
