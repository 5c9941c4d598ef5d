import { againOverEtcd } from '../support/sharing-again.js';

await againOverEtcd(() => import('./salt-auto.test.js'));
