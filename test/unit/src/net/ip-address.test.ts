import t from 'tap';
import { canonicalIp, isFromThisMachine, peerIp } from '../../../../src/net/ip-address.js';

t.test('an address has one spelling, an IPv4-mapped one is IPv4', async (t) => {
  const cases: Readonly<Record<string, string | undefined>> = {
    '10.0.0.7': '10.0.0.7',
    '::ffff:10.0.0.7': '10.0.0.7',
    '::FFFF:10.0.0.7': '10.0.0.7',
    '::ffff:a00:7': '10.0.0.7',
    '0:0:0:0:0:ffff:10.0.0.7': '10.0.0.7',
    '::1': '::1',
    '0:0::0:1': '::1',
    'FD00:0000:0:0::7': 'fd00::7',
    'fe80::1%eth0': 'fe80::1',
    '::ffff:10.0.0.7%eth0': '10.0.0.7',
    '64:ff9b::10.0.0.7': '64:ff9b::a00:7',
    '010.0.0.7': undefined,
    '10.7': undefined,
    '0x7f000001': undefined,
    '[::1]': undefined,
    'a.example': undefined,
    '': undefined,
  };
  for (const [text, canonical] of Object.entries(cases)) t.equal(canonicalIp(text), canonical, text);
});

t.test('a peer of a socket that has both families is named as itself', async (t) => {
  t.equal(peerIp({ remoteAddress: '::ffff:10.0.0.7' }), '10.0.0.7');
  t.equal(peerIp({ remoteAddress: '10.0.0.7' }), '10.0.0.7');
  t.equal(peerIp({ remoteAddress: 'fe80::1%eth0' }), 'fe80::1');
  t.equal(peerIp({}), '');
});

t.test('a peer is on this machine if either end is loopback, or both are one address', async (t) => {
  const from = (remoteAddress: string, localAddress: string) =>
    isFromThisMachine({ remoteAddress, localAddress });
  t.ok(from('127.0.0.1', '127.0.0.1'));
  t.ok(from('10.0.0.5', '10.0.0.5'));
  t.ok(from('10.0.0.5', '::ffff:127.0.0.1'), 'redirected');
  t.ok(from('fd00::5', '::1'), 'redirected');
  t.notOk(from('10.0.0.6', '10.0.0.5'));
  t.notOk(isFromThisMachine({}));
});
