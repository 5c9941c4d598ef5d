import t from 'tap';
import { peerGroup } from '../../../../control-plane/access/peer-address.js';

t.test('an IPv4 address is a peer, an IPv6 network of 64 bits is one', async (t) => {
  const cases = {
    '10.0.0.1': '10.0.0.1',
    '::ffff:10.0.0.1': '10.0.0.1',
    '2001:db8:1:2:3:4:5:6': '2001:db8:1:2::/64',
    '2001:0DB8:1:2::9': '2001:db8:1:2::/64',
    '2001:db8::9': '2001:db8:0:0::/64',
    '::1': '0:0:0:0::/64',
    'fe80::1%eth0': 'fe80:0:0:0::/64',
    '': '',
  };
  for (const [address, group] of Object.entries(cases)) t.equal(peerGroup(address), group, address);
});
