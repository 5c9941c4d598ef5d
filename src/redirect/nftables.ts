import { z } from 'zod';
import { DNS_PORT, familyOf, HEARTBEAT_LOST_SECONDS, LINK_LOCAL, type RedirectSettings } from './settings.js';

export const NFT_TABLE = 'inet roost';

/** Removes the table, whether it is there or not. `nft -f` makes every change of a script at once, or none. */
export const NFT_REMOVE = `table ${NFT_TABLE}\ndelete table ${NFT_TABLE}\n`;

/** Before the chains of kube-proxy and Docker, so that an address of a service is still seen as it was dialled. */
const BEFORE_DSTNAT = -101;

/**
 * Only the packet that opens a connection: a connection that is older than the rules would break if the kernel
 * redirected a packet from the middle of it.
 */
const ONLY_OPENING = `meta l4proto != tcp return
    tcp flags & (fin | syn | rst | ack) != syn return`;

/** A script for `nft -f` that replaces the rules that are in force. */
export function renderNft(settings: RedirectSettings): string {
  const { inboundPort, outboundPort, adminPort } = settings;
  const bypass = settings.whenDown === 'bypass';
  const onlyAlive = bypass ? '\n    ct direction != @sidecar_alive return' : '';
  return `${NFT_REMOVE}table ${NFT_TABLE} {
${renderSets(settings)}
  # Connections of other machines to this one.
  chain inbound {
    type nat hook prerouting priority ${BEFORE_DSTNAT}; policy accept;
    ${ONLY_OPENING}
    iifname "lo" return
    iifname @exclude_interfaces return
    fib daddr type != local return
    tcp dport ${inboundPort} return
    tcp dport @exclude_inbound_ports return${onlyAlive}
    meta l4proto tcp redirect to :${inboundPort}
  }

  # Connections of this machine's programs to others. What is sent to an own address leaves by "lo".
  chain outbound {
    type nat hook output priority ${BEFORE_DSTNAT}; policy accept;
    ${ONLY_OPENING}
    oifname "lo" return
    oifname @exclude_interfaces return
    meta skuid @sidecar_users return
    meta skgid @sidecar_groups return
    tcp dport ${DNS_PORT} return
    tcp dport @exclude_outbound_ports return
    ip daddr ${LINK_LOCAL.ipv4} return
    ip6 daddr ${LINK_LOCAL.ipv6} return
    ip daddr @exclude_outbound_ipv4 return
    ip6 daddr @exclude_outbound_ipv6 return${onlyAlive}
    meta l4proto tcp redirect to :${outboundPort}
  }

  # Ports of the sidecar that only this machine's programs may use.
  chain guard {
    type filter hook input priority filter; policy accept;
    iifname != "lo" meta l4proto tcp ct original proto-dst ${outboundPort} reject with tcp reset
    iifname != "lo" meta l4proto tcp ct original proto-dst ${adminPort} reject with tcp reset
  }
${bypass ? renderHeartbeat(outboundPort) : ''}}
`;
}

function renderSets(settings: RedirectSettings): string {
  const cidrs = (family: string) => settings.excludeOutboundCidrs.filter((cidr) => familyOf(cidr) === family);
  const interfaces = settings.excludeInterfaces.map((name) => `"${name}"`);
  const lines = [
    renderSet('sidecar_users', 'type uid;', [settings.uid]),
    renderSet('sidecar_groups', 'type gid;', [settings.gid]),
    renderSet('exclude_inbound_ports', 'type inet_service;', settings.excludeInboundPorts),
    renderSet('exclude_outbound_ports', 'type inet_service;', settings.excludeOutboundPorts),
    renderSet('exclude_outbound_ipv4', 'type ipv4_addr; flags interval; auto-merge;', cidrs('ipv4')),
    renderSet('exclude_outbound_ipv6', 'type ipv6_addr; flags interval; auto-merge;', cidrs('ipv6')),
    renderSet('exclude_interfaces', 'type ifname;', interfaces),
  ];
  // The set has one element at most: it needs a key that every packet agrees on.
  if (settings.whenDown === 'bypass')
    lines.push(
      `  set sidecar_alive { typeof ct direction; size 2; flags dynamic,timeout; timeout ${HEARTBEAT_LOST_SECONDS}s; }\n`,
    );
  return lines.join('');
}

function renderSet(name: string, type: string, elements: readonly (string | number)[]): string {
  const list = elements.length === 0 ? '' : ` elements = { ${[...new Set(elements)].join(', ')} }`;
  return `  set ${name} { ${type}${list} }\n`;
}

function renderHeartbeat(outboundPort: number): string {
  const update = `update @sidecar_alive { ct direction timeout ${HEARTBEAT_LOST_SECONDS}s }`;
  return `
  # The sidecar sends datagrams here as long as it runs.
  chain heartbeat {
    type filter hook output priority filter; policy accept;
    oifname "lo" meta skuid @sidecar_users udp dport ${outboundPort} ${update}
    oifname "lo" meta skgid @sidecar_groups udp dport ${outboundPort} ${update}
  }
`;
}

const element = z.union([
  z.number(),
  z.string(),
  z.object({ prefix: z.object({ addr: z.string(), len: z.number() }) }),
]);
const ruleset = z.object({
  nftables: z.array(
    z.object({
      set: z.object({ name: z.string(), elem: z.array(element).optional() }).optional(),
      rule: z.object({ chain: z.string(), expr: z.array(z.record(z.string(), z.unknown())) }).optional(),
    }),
  ),
});
type Ruleset = z.infer<typeof ruleset>;

/**
 * Reads the rules in force back.
 *
 * @param json of `nft -j list table inet roost`
 * @returns undefined where the rules are not as {@link renderNft} makes them
 */
export function readNft(json: string): RedirectSettings | undefined {
  const rules = parseRuleset(json);
  if (rules === undefined) return undefined;
  const [uid, gid] = [numbersOf(rules, 'sidecar_users')[0], numbersOf(rules, 'sidecar_groups')[0]];
  const inboundPort = redirectPort(rules, 'inbound');
  const outboundPort = redirectPort(rules, 'outbound');
  const adminPort = guardedPorts(rules).find((port) => port !== outboundPort);
  if (uid === undefined || gid === undefined || inboundPort === undefined || outboundPort === undefined)
    return undefined;
  if (adminPort === undefined) return undefined;
  return {
    uid,
    gid,
    inboundPort,
    outboundPort,
    adminPort,
    excludeInboundPorts: numbersOf(rules, 'exclude_inbound_ports'),
    excludeOutboundPorts: numbersOf(rules, 'exclude_outbound_ports'),
    excludeOutboundCidrs: [
      ...textsOf(rules, 'exclude_outbound_ipv4'),
      ...textsOf(rules, 'exclude_outbound_ipv6'),
    ],
    excludeInterfaces: textsOf(rules, 'exclude_interfaces'),
    whenDown: elementsOf(rules, 'sidecar_alive') === undefined ? 'fail' : 'bypass',
  };
}

function parseRuleset(json: string): Ruleset | undefined {
  try {
    return ruleset.safeParse(JSON.parse(json)).data;
  } catch {
    // What is no JSON holds no rules of ours either.
    return undefined;
  }
}

function elementsOf({ nftables }: Ruleset, name: string): z.infer<typeof element>[] | undefined {
  const found = nftables.find(({ set }) => set?.name === name)?.set;
  return found && (found.elem ?? []);
}

function numbersOf(rules: Ruleset, name: string): number[] {
  return (elementsOf(rules, name) ?? []).filter((value) => typeof value === 'number');
}

function textsOf(rules: Ruleset, name: string): string[] {
  return (elementsOf(rules, name) ?? []).map((value) => {
    if (typeof value === 'object') return `${value.prefix.addr}/${value.prefix.len}`;
    const isAddress = name.startsWith('exclude_outbound_ip');
    return isAddress ? `${value}/${name.endsWith('6') ? 128 : 32}` : String(value);
  });
}

function expressionsOf({ nftables }: Ruleset, chain: string): Readonly<Record<string, unknown>>[] {
  return nftables.flatMap(({ rule }) => (rule?.chain === chain ? rule.expr : []));
}

function redirectPort(rules: Ruleset, chain: string): number | undefined {
  const found = expressionsOf(rules, chain).find((expression) => 'redirect' in expression);
  return z.object({ redirect: z.object({ port: z.number() }) }).safeParse(found).data?.redirect.port;
}

const originalPort = z.object({
  match: z.object({
    left: z.object({ ct: z.object({ key: z.literal('proto-dst') }) }),
    right: z.union([z.number(), z.string()]),
  }),
});

function guardedPorts(rules: Ruleset): number[] {
  return expressionsOf(rules, 'guard').flatMap((expression) => {
    const { data } = originalPort.safeParse(expression);
    // nft 1.0 prints this port as "0x3a98 [invalid type]".
    return data === undefined
      ? []
      : [Number.parseInt(String(data.match.right), String(data.match.right).startsWith('0x') ? 16 : 10)];
  });
}
