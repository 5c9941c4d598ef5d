import type { Command } from 'commander';
import { SIDECAR_PORTS, SIDECAR_UID } from '../../inject/names.js';
import { renderIptables } from '../../redirect/iptables.js';
import { renderNft } from '../../redirect/nftables.js';
import { BACKENDS, type Backend, RedirectRules, type RulesInForce } from '../../redirect/redirect-rules.js';
import {
  canonicalCidr,
  isInterfaceName,
  type RedirectSettings,
  settingsProblems,
  WHEN_DOWN,
} from '../../redirect/settings.js';
import { requireNetAdmin } from '../../redirect/tools.js';
import { CommandError, EXIT } from '../exit.js';
import {
  addFlags,
  FlagError,
  type Flags,
  isSwitch,
  oneOf,
  readFlags,
  UsageError,
  wholeNumber,
} from '../flags.js';
import { print, printJson } from '../terminal.js';
import { OUTPUT_FLAG } from './shared.js';

/** The kernel's "no user". */
const MAX_ID = 0xffff_fffe;
const port = wholeNumber(1, 65_535);

const PORTS: ItemParser<number> = {
  expected: 'ports from 1 to 65535 with commas in between, such as 5432,6379',
  parse: (item) =>
    /^\d{1,5}$/.test(item) && Number(item) >= 1 && Number(item) <= 65_535 ? Number(item) : undefined,
};
const CIDRS: ItemParser<string> = {
  expected: 'addresses or ranges with commas in between, such as 10.8.0.0/16,fd00::/8',
  parse: canonicalCidr,
};
const INTERFACES: ItemParser<string> = {
  expected: 'names of interfaces with commas in between, such as eth1,wg0',
  parse: (item) => (isInterfaceName(item) ? item : undefined),
};

const APPLY_FLAGS = {
  uid: {
    name: 'uid',
    argument: 'UID',
    help: 'user of the sidecar, whose connections are not redirected',
    default: String(SIDECAR_UID),
    parse: wholeNumber(0, MAX_ID),
  },
  gid: {
    name: 'gid',
    argument: 'GID',
    help: 'group of the sidecar, whose connections are not redirected',
    default: String(SIDECAR_UID),
    parse: wholeNumber(0, MAX_ID),
  },
  inboundPort: {
    name: 'inbound-port',
    argument: 'PORT',
    help: 'port of the sidecar for connections from other machines',
    default: String(SIDECAR_PORTS.inbound),
    parse: port,
  },
  outboundPort: {
    name: 'outbound-port',
    argument: 'PORT',
    help: "port of the sidecar for the app's own connections",
    default: String(SIDECAR_PORTS.outbound),
    parse: port,
  },
  adminPort: {
    name: 'admin-port',
    argument: 'PORT',
    help: 'port of the sidecar that the rules close to other machines, beside the outbound port',
    default: String(SIDECAR_PORTS.admin),
    parse: port,
  },
  excludeInboundPorts: {
    name: 'exclude-inbound-ports',
    argument: 'A,B…',
    help: 'ports of this machine that others reach without the sidecar',
    default: `22,${SIDECAR_PORTS.metrics}`,
    parse: listOf(PORTS),
  },
  excludeOutboundPorts: {
    name: 'exclude-outbound-ports',
    argument: 'A,B…',
    help: 'destination ports that the app reaches without the sidecar',
    default: '',
    parse: listOf(PORTS),
  },
  excludeOutboundCidrs: {
    name: 'exclude-outbound-cidrs',
    argument: 'A,B…',
    help: 'destination addresses and ranges that the app reaches without the sidecar',
    default: '',
    parse: listOf(CIDRS),
  },
  excludeInterfaces: {
    name: 'exclude-interfaces',
    argument: 'A,B…',
    help: 'network interfaces whose connections are not redirected, in either direction',
    default: '',
    parse: listOf(INTERFACES),
  },
  whenDown: {
    name: 'when-down',
    argument: 'fail|bypass',
    help: 'while no sidecar runs: fail refuses connections at once, bypass lets them go past it',
    default: 'fail',
    parse: oneOf(WHEN_DOWN),
  },
  backend: {
    name: 'backend',
    argument: 'auto|nftables|iptables',
    help: 'what writes the rules; auto: nftables where nft is installed, else iptables',
    default: 'auto',
    parse: oneOf(['auto', ...BACKENDS]),
  },
  dryRun: {
    name: 'dry-run',
    help: 'print the rules, for nft or for iptables-restore, and change nothing; needs no root',
    default: 'false',
    parse: isSwitch,
  },
} as const satisfies Flags;

const HELP = `
The rules belong to the network namespace in which the command runs. They are
replaced and removed as a whole. docs/interception.md says what they do.

Exit code: 0 done, 1 the system refused or the command lacks root, 2 a flag is wrong.

Examples:
  roost redirect apply --exclude-outbound-ports 5432 --exclude-outbound-cidrs 10.8.0.0/16
  roost redirect show -o json
  roost redirect remove`;

export function addRedirect(program: Command): void {
  const group = program
    .command('redirect')
    .summary('redirect connections to the sidecar')
    .description("Writes, shows and removes the kernel's rules that redirect connections to the sidecar.")
    .addHelpText('after', HELP);
  const applying = group
    .command('apply')
    .summary('write the rules')
    .description('Replaces the redirect rules in force, all of them or none. A second run changes nothing.');
  addFlags(applying, APPLY_FLAGS).action(() => applyRules(applying));
  const showing = group
    .command('show')
    .summary('print the rules in force')
    .description('Prints the redirect rules in force, as settings and as the kernel lists them.');
  addFlags(showing, OUTPUT_FLAG).action(() => showRules(readFlags(showing, OUTPUT_FLAG).output === 'json'));
  const removing = group
    .command('remove')
    .summary('remove the rules')
    .description('Removes every redirect rule, whichever program wrote it.');
  addFlags(removing, {}).action(() => {
    readFlags(removing, {});
    requireNetAdmin();
    print(new RedirectRules().remove() ? 'redirect rules removed' : 'no redirect rules were in force');
  });
}

function applyRules(command: Command): void {
  const { backend: wanted, dryRun, ...settings } = readFlags(command, APPLY_FLAGS);
  const problems = settingsProblems(settings);
  if (problems.length > 0) throw new UsageError(problems, command);
  if (dryRun) {
    process.stdout.write(renderRules(settings, wanted === 'iptables' ? 'iptables' : 'nftables'));
    return;
  }
  requireNetAdmin();
  const rules = new RedirectRules();
  const backend = wanted === 'auto' ? rules.chooseBackend() : wanted;
  rules.apply(settings, backend);
  print(describeSettings('redirect rules applied', backend, settings));
}

function renderRules(settings: RedirectSettings, backend: Backend): string {
  if (backend === 'nftables') return renderNft(settings);
  const [ipv4, ipv6] = (['ipv4', 'ipv6'] as const).map((family) => renderIptables(settings, family, ''));
  return `# iptables-restore --noflush\n${ipv4}# ip6tables-restore --noflush\n${ipv6}`;
}

function showRules(asJson: boolean): void {
  requireNetAdmin();
  const found = new RedirectRules().inForce();
  if (asJson) printJson(rulesJson(found));
  else if (found === undefined) print('no redirect rules are in force');
  else if (found.settings !== undefined)
    print(
      `${describeSettings('redirect rules in force', found.backend, found.settings)}\n\n${found.rules.join('\n')}`,
    );
  if (found !== undefined && found.settings === undefined)
    throw new CommandError(
      `the redirect rules (${found.backend}) are not complete; run "roost redirect apply" or "roost redirect remove"`,
      EXIT.refused,
      asJson ? [] : found.rules,
    );
}

function rulesJson(found: RulesInForce | undefined): object {
  if (found === undefined) return { inForce: false };
  const { backend, settings, rules } = found;
  return { inForce: true, complete: settings !== undefined, backend, ...settings, rules };
}

function describeSettings(title: string, backend: Backend, settings: RedirectSettings): string {
  const { excludeInboundPorts, excludeOutboundPorts, excludeOutboundCidrs, excludeInterfaces } = settings;
  const except = (what: string, list: readonly (string | number)[]) =>
    list.length === 0 ? [] : [`except ${what} ${list.join(', ')}`];
  const inbound = [`to port ${settings.inboundPort}`, ...except('ports', excludeInboundPorts)];
  const outbound = [
    `to port ${settings.outboundPort}`,
    ...except('ports', excludeOutboundPorts),
    ...except('addresses', excludeOutboundCidrs),
  ];
  return [
    `${title} (${backend})`,
    `  inbound    ${inbound.join(', ')}`,
    `  outbound   ${outbound.join(', ')}`,
    ...(excludeInterfaces.length === 0 ? [] : [`  not on     ${excludeInterfaces.join(', ')}`]),
    `  sidecar    user ${settings.uid}, group ${settings.gid}, admin port ${settings.adminPort}`,
    `  when down  ${settings.whenDown === 'fail' ? 'connections are refused' : 'connections go past the sidecar'}`,
  ].join('\n');
}

interface ItemParser<T> {
  /** For messages. */
  readonly expected: string;
  /** @returns undefined where the item is wrong */
  parse(item: string): T | undefined;
}

/** Values with commas in between; an empty text is an empty list. Names every item that is wrong. */
function listOf<T>({ expected, parse }: ItemParser<T>): (text: string) => readonly T[] {
  return (text) => {
    if (text.trim() === '') return [];
    const items = text.split(',').map((item) => ({ item, value: parse(item.trim()) }));
    const wrong = items.filter(({ value }) => value === undefined).map(({ item }) => `"${item.trim()}"`);
    if (wrong.length > 0) throw new FlagError(`has ${wrong.join(', ')}; expected ${expected}`);
    return items.map(({ value }) => value as T);
  };
}
