import { againOverTls } from '../../support/http1/encryption.js';

await againOverTls(() => import('../route-actions.test.js'));
