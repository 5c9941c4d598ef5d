import { againOverTls } from '../../support/http1/encryption.js';

await againOverTls(() => import('../time-limits.test.js'));
