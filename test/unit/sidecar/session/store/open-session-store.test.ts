import { createRequire } from 'node:module';
import t from 'tap';
import { openSessionStore } from '../../../../../sidecar/session/store/open-session-store.js';

const { cache } = createRequire(import.meta.url);
const isLoaded = () => Object.keys(cache).some((file) => file.includes('@redis/client'));

t.test('the client library is loaded where a store is opened, and not before', async (t) => {
  t.notOk(isLoaded());
  const options = {
    hosts: [{ host: '127.0.0.1', port: 1 }],
    isCluster: false,
    database: 0,
    tls: undefined,
    user: '',
    password: '',
    passwordFile: '',
    timeoutMs: 20,
  };
  const store = openSessionStore(options, { info() {}, warn() {} } as never, { onConflict() {} });
  await store.settled;
  t.ok(isLoaded());
  t.type(store.brokenSinceMs, 'number', 'nothing listens there');
  await store.close();
});
