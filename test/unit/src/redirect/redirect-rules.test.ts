import t from 'tap';
import { RedirectRules } from '../../../../src/redirect/redirect-rules.js';
import type { RunTool, ToolResult } from '../../../../src/redirect/tools.js';
import { redirectSettings } from '../../../support/redirect-settings.js';

const OK: ToolResult = { ok: true, output: '', problem: '' };

/** Programs that do as a test says, and what they were told. */
function tools(answers: (call: string, input: string) => ToolResult | undefined) {
  const calls: string[] = [];
  const run: RunTool = (program, args, input = '') => {
    const call = [program, ...args].join(' ');
    calls.push(call);
    return answers(call, input) ?? OK;
  };
  return { run, calls };
}

const failed = (problem: string): ToolResult => ({ ok: false, output: '', problem });

t.test('iptables is used where there is no nft, and the lack of both is named', async (t) => {
  const onlyIptables = tools((call) => (call.startsWith('nft') ? failed('nft is not installed') : undefined));
  t.equal(new RedirectRules(onlyIptables.run).chooseBackend(), 'iptables');
  t.equal(new RedirectRules(tools(() => undefined).run).chooseBackend(), 'nftables');
  const neither = tools((call) => failed(`${call.split(' ')[0]} is not installed`));
  t.throws(() => new RedirectRules(neither.run).chooseBackend(), {
    message: /nft is not installed; iptables-save is not installed. Install nftables or iptables/,
  });
});

t.test('the rules of IPv4 come out again when those of IPv6 are refused', async (t) => {
  let ipv4 = '';
  const { run } = tools((call, input) => {
    if (call.startsWith('ip6tables-restore')) return failed('no ip6table_nat');
    if (call.startsWith('nft')) return failed('no such table');
    if (call.startsWith('iptables-restore')) ipv4 = input;
    if (call.startsWith('iptables-save'))
      return { ...OK, output: ipv4.replace(/^-N (\S+)/gm, ':$1 - [0:0]') };
    return undefined;
  });
  t.throws(() => new RedirectRules(run, true).apply(redirectSettings(), 'iptables'), {
    message: 'ip6tables-restore refused the redirect rules: no ip6table_nat',
  });
  t.match(ipv4, '-X ROOST_OUTBOUND');
  t.notMatch(ipv4, 'REDIRECT --to-ports');
});

t.test('IPv6 that is on and cannot be redirected is refused before anything changes', async (t) => {
  const { run, calls } = tools((call) =>
    call.startsWith('ip6tables-save') ? failed('ip6tables-save is not installed') : undefined,
  );
  t.throws(() => new RedirectRules(run, true).apply(redirectSettings(), 'iptables'), {
    message: 'IPv6 is on, and its rules cannot be read: ip6tables-save is not installed',
  });
  t.notOk(calls.some((call) => call.includes('-restore')));
});

t.test('rules of the other program are removed, so that no connection is redirected twice', async (t) => {
  const { run, calls } = tools(() => undefined);
  new RedirectRules(run, false).apply(redirectSettings(), 'iptables');
  t.equal(calls.filter((call) => call === 'nft -f -').length, 1);
});
