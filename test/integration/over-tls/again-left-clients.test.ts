import { againOverTls } from '../../support/http1/encryption.js';

await againOverTls(() => import('../left-clients.test.js'));
