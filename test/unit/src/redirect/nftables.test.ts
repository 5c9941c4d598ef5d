import t from 'tap';
import { readNft, renderNft } from '../../../../src/redirect/nftables.js';
import { EVERY_SETTING, redirectSettings } from '../../../support/redirect-settings.js';

t.test('a script replaces the table in one transaction', async (t) => {
  t.ok(
    renderNft(redirectSettings()).startsWith(
      'table inet roost\ndelete table inet roost\ntable inet roost {\n',
    ),
  );
});

t.test('every exclusion comes before the redirection', async (t) => {
  const script = renderNft(EVERY_SETTING);
  const outbound = script.slice(script.indexOf('chain outbound'), script.indexOf('chain guard'));
  const end = outbound.indexOf('redirect to :16001');
  for (const rule of ['oifname "lo"', '@exclude_interfaces', '@sidecar_users', '@sidecar_groups', 'dport 53'])
    t.ok(outbound.indexOf(rule) !== -1 && outbound.indexOf(rule) < end, rule);
  for (const rule of [
    '@exclude_outbound_ports',
    '@exclude_outbound_ipv4',
    '@exclude_outbound_ipv6',
    '169.254',
    'fe80',
  ])
    t.ok(outbound.indexOf(rule) !== -1 && outbound.indexOf(rule) < end, rule);
});

t.test('a value that is given twice is one element', async (t) => {
  t.match(renderNft(redirectSettings({ excludeOutboundPorts: [80, 80, 81] })), 'elements = { 80, 81 }');
});

t.test('the sidecar has to be alive only where its absence is bypassed', async (t) => {
  t.notMatch(renderNft(redirectSettings()), 'sidecar_alive');
  const chains = renderNft(redirectSettings({ whenDown: 'bypass' })).split('chain ');
  t.same(
    chains.filter((chain) => chain.includes('!= @sidecar_alive return')).map((chain) => chain.split(' ')[0]),
    ['inbound', 'outbound'],
  );
});

t.test('rules that are not ours, or not complete, are told from rules that are', async (t) => {
  for (const json of ['', 'x', '[]', '{"nftables":[]}', '{"nftables":[{"table":{"name":"roost"}}]}'])
    t.equal(readNft(json), undefined, json);
});
