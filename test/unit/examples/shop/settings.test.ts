import t from 'tap';
import { readSettings } from '../../../../examples/shop/settings.js';

t.test('each role knows its port, its version and whom it calls', async (t) => {
  const env = {
    PORT: '0',
    VERSION: 'v2',
    POD: 'checkout-v2-1',
    CHECKOUT_URL: 'http://c',
    PAYMENTS_URL: 'http://p',
  };
  const common = { port: 0, version: 'v2', pod: 'checkout-v2-1' };
  t.same(readSettings('frontend', env), { ...common, role: 'frontend', upstream: 'http://c' });
  t.same(readSettings('checkout', env), { ...common, role: 'checkout', upstream: 'http://p' });
  t.same(readSettings('payments', env), { ...common, role: 'payments', upstream: undefined });
});

t.test('says what is wrong with its settings', async (t) => {
  t.throws(() => readSettings(undefined, {}), { message: 'name a role: frontend, checkout, payments' });
  t.throws(() => readSettings('shipping', {}), { message: 'name a role: frontend, checkout, payments' });
  for (const PORT of ['http', '-1', '65536', '80.5'])
    t.throws(() => readSettings('frontend', { PORT }), { message: `PORT=${PORT} is not a port` });
});
