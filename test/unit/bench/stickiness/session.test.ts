import t from 'tap';
import { Session } from '../../../../bench/stickiness/session.js';
import { FastCaller, NamedBackend } from '../../../support/fast-traffic.js';

t.test('a session by cookie keeps the newest value of each cookie, and sends all of them', async (t) => {
  const backend = await NamedBackend.start(t, 'v1-2');
  const caller = new FastCaller(t, backend.address, 1);
  const session = new Session('user-1', 'cookie');
  backend.cookies = ['release=v1; Path=/; HttpOnly', 'pod=a=b; Path=/'];
  t.same(await session.call(caller, false), { release: 'v1', pod: 'v1-2' });
  t.equal(session.cookies, 'release=v1; pod=a=b');
  backend.cookies = ['release=v2; Path=/'];
  await session.call(caller, true);
  t.equal(session.cookies, 'release=v2; pod=a=b');
});

t.test('a session by header keeps no cookie', async (t) => {
  const backend = await NamedBackend.start(t, 'v1-1');
  backend.cookies = ['release=v1'];
  const session = new Session('user-1', 'header');
  await session.call(new FastCaller(t, backend.address, 1), false);
  t.equal(session.cookies, '');
});

t.test('an error and a proxy that is gone are failed calls', async (t) => {
  const backend = await NamedBackend.start(t, 'v1-1');
  const caller = new FastCaller(t, backend.address, 1);
  const session = new Session('user-1', 'header');
  backend.failing.push(503);
  t.equal(await session.call(caller, false), undefined);
  await backend.stop();
  t.equal(await session.call(caller, false), undefined);
});
