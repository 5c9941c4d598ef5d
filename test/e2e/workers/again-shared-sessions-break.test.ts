import { againWithTwoWorkers } from '../../support/two-workers.js';

await againWithTwoWorkers(() => import('../shared-sessions-break.test.js'));
