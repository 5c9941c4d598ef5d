import t from 'tap';
import {
  readIptables,
  removeIptables,
  renderIptables,
  restoreIptables,
} from '../../../../src/redirect/iptables.js';
import { EVERY_SETTING, redirectSettings } from '../../../support/redirect-settings.js';

const OTHERS = `# Generated
*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
-A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER
COMMIT
`;

/** What `iptables-save` would print after a script, in a namespace without other rules. */
function saved(script: string): string {
  const lines = script.split('\n');
  return lines
    .map((line) => line.replace(/^-N (\S+)/, ':$1 - [0:0]').replace(/^-I (\S+) 1 /, '-A $1 '))
    .join('\n');
}

t.test('the rules in force are read back as they were set', async (t) => {
  for (const settings of [redirectSettings(), EVERY_SETTING]) {
    const both = (['ipv4', 'ipv6'] as const).map((family) => saved(renderIptables(settings, family, '')));
    t.same(readIptables(both), settings);
  }
});

t.test('each family has the ranges of its own only', async (t) => {
  t.match(renderIptables(EVERY_SETTING, 'ipv4', ''), '-d 10.8.0.0/16 -j RETURN');
  t.notMatch(renderIptables(EVERY_SETTING, 'ipv4', ''), 'fd00');
  t.match(renderIptables(EVERY_SETTING, 'ipv6', ''), '-d fd00::/8 -j RETURN');
  t.notMatch(renderIptables(EVERY_SETTING, 'ipv6', ''), '10.8');
});

t.test('the rules that redirect change last, after the ports of the sidecar are closed', async (t) => {
  const script = renderIptables(redirectSettings(), 'ipv4', '');
  t.ok(script.indexOf('*filter') < script.indexOf('*nat'));
});

t.test('a second run replaces what the first one wrote', async (t) => {
  const first = saved(renderIptables(redirectSettings(), 'ipv4', ''));
  const second = renderIptables(EVERY_SETTING, 'ipv4', first);
  t.match(second, '-D OUTPUT -p tcp --syn -j ROOST_OUTBOUND\n');
  for (const chain of ['ROOST_INBOUND', 'ROOST_OUTBOUND', 'ROOST_GUARD']) {
    const removed = second.indexOf(`-X ${chain}\n`);
    t.ok(removed !== -1 && removed < second.indexOf(`-N ${chain}\n`), chain);
  }
});

t.test('removing names nothing that others have written', async (t) => {
  t.equal(removeIptables(OTHERS), '');
  const ours = saved(renderIptables(EVERY_SETTING, 'ipv4', ''));
  const script = removeIptables(`${OTHERS.replace('COMMIT\n', '')}${ours.replace(/[\s\S]*\*nat\n/, '')}`);
  t.notMatch(script, 'DOCKER');
  t.match(script, '-D PREROUTING');
  t.match(script, '-X ROOST_OUTBOUND');
});

t.test('a change that failed half-way is undone to what was there before', async (t) => {
  const before = saved(renderIptables(redirectSettings(), 'ipv4', ''));
  const now = saved(renderIptables(EVERY_SETTING, 'ipv4', ''));
  const script = restoreIptables(now, before);
  t.match(script, '-X ROOST_HEARTBEAT');
  t.match(script, '-A ROOST_OUTBOUND -m owner --uid-owner 1337 -j RETURN');
  t.match(script, '-I OUTPUT 1 -p tcp --syn -j ROOST_OUTBOUND');
  t.notMatch(script, '2000');
  t.equal(restoreIptables(now, ''), removeIptables(now), 'nothing was there');
});

t.test('chains that nothing leads to, or that lack a rule, are not complete', async (t) => {
  const whole = saved(renderIptables(redirectSettings(), 'ipv4', ''));
  for (const missing of [
    '-j ROOST_OUTBOUND',
    '-j ROOST_INBOUND',
    '--to-ports 15001',
    '--uid-owner',
    '--ctorigdstport',
  ])
    t.equal(readIptables([dropLines(whole, missing)]), undefined, missing);
});

function dropLines(text: string, part: string): string {
  return text
    .split('\n')
    .filter((line) => !line.includes(part))
    .join('\n');
}
