import t from 'tap';
import { canonicalCidr, isInterfaceName, settingsProblems } from '../../../../src/redirect/settings.js';
import { redirectSettings } from '../../../support/redirect-settings.js';

t.test('an address range has one spelling, without the bits behind its prefix', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['10.8.1.2/16', '10.8.0.0/16'],
    ['10.255.255.255/9', '10.128.0.0/9'],
    ['1.2.3.4', '1.2.3.4/32'],
    ['1.2.3.4/0', '0.0.0.0/0'],
    ['fd00::1/8', 'fd00::/8'],
    ['FD00:0:0:1::5/60', 'fd00::/60'],
    ['2001:db8::1', '2001:db8::1/128'],
    ['::1/0', '::/0'],
  ];
  for (const [text, canonical] of cases) t.equal(canonicalCidr(text), canonical, text);
});

t.test('what is not an address range is refused', async (t) => {
  const wrong = [
    '',
    'x',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0/8',
    '/8',
  ];
  for (const text of [...wrong, 'fe80::1%eth0', '10.0.0.0/8 ', '10.0.0.0/1e1', '10.0.0.0/8;drop'])
    t.equal(canonicalCidr(text), undefined, text);
});

t.test('the name of an interface cannot end the rule that it stands in', async (t) => {
  for (const name of ['lo', 'eth0', 'br-1234', 'eth0.100', 'veth_a', 'eth0@if3'])
    t.ok(isInterfaceName(name), name);
  for (const name of ['', '.', '..', 'a b', 'a"', 'a;b', 'a/b', 'a\nb', 'sixteen-letters-', 'wg+'])
    t.notOk(isInterfaceName(name), JSON.stringify(name));
});

t.test('two ports of the sidecar that are the same are all reported', async (t) => {
  t.same(settingsProblems(redirectSettings()), []);
  const problems = settingsProblems(redirectSettings({ inboundPort: 1, outboundPort: 1, adminPort: 1 }));
  t.equal(problems.length, 3);
  t.match(problems[0], '--inbound-port and --outbound-port: both are 1');
});
