import {
  DNS_PORT,
  type Family,
  familyOf,
  HEARTBEAT_LOST_SECONDS,
  LINK_LOCAL,
  type RedirectSettings,
} from './settings.js';

/** The chains of ours in each table, and from where they are reached. */
const CHAINS = [
  { table: 'nat', from: 'PREROUTING', match: '-p tcp --syn', chain: 'ROOST_INBOUND' },
  { table: 'nat', from: 'OUTPUT', match: '-p tcp --syn', chain: 'ROOST_OUTBOUND' },
  { table: 'filter', from: 'INPUT', match: '! -i lo -p tcp', chain: 'ROOST_GUARD' },
  { table: 'filter', from: 'OUTPUT', match: '-o lo -p udp', chain: 'ROOST_HEARTBEAT' },
] as const;
/** In the order in which they change: the rules that redirect come last. */
const TABLES = ['filter', 'nat'] as const;

type Chain = (typeof CHAINS)[number]['chain'];

/**
 * A script for `iptables-restore --noflush` that replaces the rules in force. It changes each of the two tables at
 * once; the rules that redirect are all in one.
 *
 * @param saved of `iptables-save`: the rules that it replaces
 */
export function renderIptables(settings: RedirectSettings, family: Family, saved: string): string {
  const rules = rulesOf(settings, family);
  return renderTables((table) => {
    const chains = CHAINS.filter((chain) => chain.table === table && rules[chain.chain].length > 0);
    return [
      ...removeTable(saved, table),
      ...chains.map(({ chain }) => `-N ${chain}`),
      ...chains.flatMap(({ chain }) => rules[chain].map((rule) => `-A ${chain} ${rule}`)),
      ...chains.map(({ from, match, chain }) => `-I ${from} 1 ${match} -j ${chain}`),
    ];
  });
}

/**
 * A script for `iptables-restore --noflush` that brings back what was there before a change that failed.
 *
 * @param saved of `iptables-save`, now
 * @param before of `iptables-save`, before the change
 */
export function restoreIptables(saved: string, before: string): string {
  return renderTables((table) => {
    const lines = tableOf(before, table);
    return [
      ...removeTable(saved, table),
      ...chainsIn(lines).map((chain) => `-N ${chain}`),
      ...lines.filter((line) => line.startsWith('-A ROOST_')),
      ...jumpsIn(lines).map((line) => line.replace(/^-A (\S+)/, '-I $1 1')),
    ];
  });
}

/** A script for `iptables-restore --noflush` that removes every trace; empty where there is none. */
export function removeIptables(saved: string): string {
  return renderTables((table) => removeTable(saved, table));
}

function renderTables(linesOf: (table: string) => string[]): string {
  return TABLES.map((table) => ({ table, lines: linesOf(table) }))
    .filter(({ lines }) => lines.length > 0)
    .map(({ table, lines }) => `*${table}\n${lines.join('\n')}\nCOMMIT\n`)
    .join('');
}

function removeTable(saved: string, table: string): string[] {
  const lines = tableOf(saved, table);
  const chains = chainsIn(lines);
  return [
    ...jumpsIn(lines).map((line) => line.replace(/^-A/, '-D')),
    ...chains.map((chain) => `-F ${chain}`),
    ...chains.map((chain) => `-X ${chain}`),
  ];
}

function jumpsIn(lines: readonly string[]): string[] {
  return lines.filter((line) => /^-A (?!ROOST_).* -j ROOST_/.test(line));
}

function chainsIn(lines: readonly string[]): string[] {
  return lines.flatMap((line) => /^:(ROOST_[A-Z]+) /.exec(line)?.[1] ?? []);
}

/** @returns the lines of one table of `iptables-save` */
function tableOf(saved: string, table: string): string[] {
  const lines = saved.split('\n');
  const start = lines.indexOf(`*${table}`);
  if (start === -1) return [];
  return lines.slice(start + 1, lines.indexOf('COMMIT', start));
}

function rulesOf(settings: RedirectSettings, family: Family): Readonly<Record<Chain, string[]>> {
  const { uid, gid, inboundPort, outboundPort, adminPort } = settings;
  const bypass = settings.whenDown === 'bypass';
  const passWhenDown = bypass
    ? [`-m recent ! --rcheck --seconds ${HEARTBEAT_LOST_SECONDS} ${recent(family)} -j RETURN`]
    : [];
  const cidrs = settings.excludeOutboundCidrs.filter((cidr) => familyOf(cidr) === family);
  const isHeartbeat = `-p udp --dport ${outboundPort}`;
  return {
    ROOST_INBOUND: [
      ...['lo', ...settings.excludeInterfaces].map((name) => `-i ${name} -j RETURN`),
      '-m addrtype ! --dst-type LOCAL -j RETURN',
      ...unique([inboundPort, ...settings.excludeInboundPorts]).map(returnPort),
      ...passWhenDown,
      `-p tcp -j REDIRECT --to-ports ${inboundPort}`,
    ],
    ROOST_OUTBOUND: [
      ...['lo', ...settings.excludeInterfaces].map((name) => `-o ${name} -j RETURN`),
      `-m owner --uid-owner ${uid} -j RETURN`,
      `-m owner --gid-owner ${gid} -j RETURN`,
      ...unique([DNS_PORT, ...settings.excludeOutboundPorts]).map(returnPort),
      ...unique([LINK_LOCAL[family], ...cidrs]).map((cidr) => `-d ${cidr} -j RETURN`),
      ...passWhenDown,
      `-p tcp -j REDIRECT --to-ports ${outboundPort}`,
    ],
    ROOST_GUARD: [outboundPort, adminPort].map(
      (port) => `-p tcp -m conntrack --ctorigdstport ${port} -j REJECT --reject-with tcp-reset`,
    ),
    ROOST_HEARTBEAT: bypass
      ? [
          `${isHeartbeat} -m owner --uid-owner ${uid} -m recent --set ${recent(family)}`,
          `${isHeartbeat} -m owner --gid-owner ${gid} -m recent --set ${recent(family)}`,
        ]
      : [],
  };
}

/** The list has one element at most: its mask makes every address the same. */
function recent(family: Family): string {
  return family === 'ipv4' ? '--name roost4 --mask 0.0.0.0 --rsource' : '--name roost6 --mask :: --rsource';
}

function returnPort(port: number): string {
  return `-p tcp --dport ${port} -j RETURN`;
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

/**
 * Reads the rules in force back.
 *
 * @param saved of `iptables-save` and, where there is one, `ip6tables-save`
 * @returns undefined where the rules are not as {@link renderIptables} makes them
 */
export function readIptables(saved: readonly string[]): RedirectSettings | undefined {
  const lines = saved.flatMap((text) => TABLES.flatMap((table) => tableOf(text, table)));
  const isReached = CHAINS.slice(0, 2).every(({ chain }) => lines.some((line) => isJump(line, chain)));
  if (!isReached) return undefined;
  const all = (chain: Chain, pattern: RegExp) => unique(matches(lines, chain, pattern));
  const one = (chain: Chain, pattern: RegExp) => Number(all(chain, pattern)[0]);
  const ports = (chain: Chain, own: number) =>
    all(chain, /--dport (\d+) -j RETURN/)
      .map(Number)
      .filter((port) => port !== own);
  const inboundPort = one('ROOST_INBOUND', /--to-ports (\d+)/);
  const outboundPort = one('ROOST_OUTBOUND', /--to-ports (\d+)/);
  const settings: RedirectSettings = {
    uid: one('ROOST_OUTBOUND', /--uid-owner (\d+)/),
    gid: one('ROOST_OUTBOUND', /--gid-owner (\d+)/),
    inboundPort,
    outboundPort,
    adminPort:
      all('ROOST_GUARD', /--ctorigdstport (\d+)/)
        .map(Number)
        .find((port) => port !== outboundPort) ?? Number.NaN,
    excludeInboundPorts: ports('ROOST_INBOUND', inboundPort),
    excludeOutboundPorts: ports('ROOST_OUTBOUND', DNS_PORT),
    excludeOutboundCidrs: all('ROOST_OUTBOUND', /-d (\S+)/).filter(
      (cidr) => cidr !== LINK_LOCAL[familyOf(cidr)],
    ),
    excludeInterfaces: all('ROOST_OUTBOUND', /-o (\S+)/).filter((name) => name !== 'lo'),
    whenDown: matches(lines, 'ROOST_HEARTBEAT', /(--set)/).length === 0 ? 'fail' : 'bypass',
  };
  return Object.values(settings).some(Number.isNaN) ? undefined : settings;
}

function isJump(line: string, chain: Chain): boolean {
  return line.startsWith('-A ') && !line.startsWith('-A ROOST_') && line.endsWith(`-j ${chain}`);
}

function matches(lines: readonly string[], chain: Chain, pattern: RegExp): string[] {
  return lines
    .filter((line) => line.startsWith(`-A ${chain} `))
    .flatMap((line) => pattern.exec(line)?.[1] ?? []);
}
