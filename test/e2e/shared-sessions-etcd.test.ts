import { againOverEtcd } from '../support/sharing-again.js';

await againOverEtcd(() => import('./shared-sessions.test.js'));
