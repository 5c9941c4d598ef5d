import { againOverTls } from '../../support/http1/encryption.js';

await againOverTls(() => import('../drain.test.js'));
