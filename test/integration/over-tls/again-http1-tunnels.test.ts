import { againOverTls } from '../../support/http1/encryption.js';

await againOverTls(() => import('../http1-tunnels.test.js'));
