import t from 'tap';
import { isReservedAddress, reservedScope } from '../../../../src/net/reserved-address.js';

t.test('what leads to this machine, or to its link, is told in every form', async (t) => {
  const loopback = [
    '127.0.0.1',
    '127.255.255.254',
    '0.0.0.0',
    '0.1.2.3',
    '::1',
    '::',
    '::ffff:127.0.0.1',
    '::ffff:0.0.0.0',
    '::127.0.0.1',
    '64:ff9b::127.0.0.1',
    '64:ff9b:1::7f00:1',
    '2002:7f00:1::',
    '::ffff:0:127.0.0.1',
  ];
  const linkLocal = [
    '169.254.169.254',
    '169.254.0.1',
    'fe80::1',
    'febf::1',
    'fe80::1%eth0',
    '::ffff:169.254.169.254',
    '64:ff9b::a9fe:a9fe',
    'fd00:ec2::254',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    '64:ff9b:1::a9fe:a9fe',
    '::ffff:0:169.254.169.254',
    'fd20:ce::254',
    'fd00:c1::a9fe:a9fe',
  ];
  const others = [
    '10.0.0.1',
    '128.0.0.1',
    '169.253.0.1',
    '192.0.2.1',
    'fd00::1',
    'fd20:ce::1',
    'fec0::1',
    '2001:db8::1',
  ];
  const noMachine = ['224.0.0.1', '239.1.2.3', '255.255.255.255', 'ff02::1', '::10.0.0.1', '2002:e000:1::'];
  for (const address of noMachine) t.equal(reservedScope(address), 'no-machine', address);
  for (const address of loopback) t.equal(reservedScope(address), 'loopback', address);
  for (const address of linkLocal) t.equal(reservedScope(address), 'link-local', address);
  for (const address of [...others, 'localhost', '']) t.equal(reservedScope(address), undefined, address);
  for (const address of [...loopback, ...linkLocal, ...noMachine]) t.ok(isReservedAddress(address), address);
});
