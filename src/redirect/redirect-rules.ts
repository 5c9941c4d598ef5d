import { OperatorError } from '../lifecycle/operator-error.js';
import { readIptables, removeIptables, renderIptables, restoreIptables } from './iptables.js';
import { NFT_REMOVE, NFT_TABLE, readNft, renderNft } from './nftables.js';
import type { Family, RedirectSettings } from './settings.js';
import { hasIpv6, type RunTool, runTool } from './tools.js';

export const BACKENDS = ['nftables', 'iptables'] as const;
export type Backend = (typeof BACKENDS)[number];

/** What is in force. */
export interface RulesInForce {
  readonly backend: Backend;
  /** Undefined: there are rules of ours, and they are not complete. */
  readonly settings: RedirectSettings | undefined;
  /** As the kernel lists them. */
  readonly rules: readonly string[];
}

const IPTABLES: Readonly<Record<Family, string>> = { ipv4: 'iptables', ipv6: 'ip6tables' };
/** Another program may hold the lock of iptables. */
const WAIT_SECONDS = '10';

/** Writes, reads and removes the rules of this network namespace. */
export class RedirectRules {
  constructor(
    private readonly run: RunTool = runTool,
    private readonly ipv6 = hasIpv6(),
  ) {}

  /** nftables where there is nft, and a kernel that knows it. @throws OperatorError where there is neither */
  chooseBackend(): Backend {
    const nft = this.run('nft', ['list', 'tables']);
    if (nft.ok) return 'nftables';
    const iptables = this.run('iptables-save', []);
    if (iptables.ok) return 'iptables';
    throw new OperatorError(
      `no program can write redirect rules: ${nft.problem}; ${iptables.problem}. Install nftables or iptables`,
    );
  }

  /**
   * Replaces the rules in force: either all of them, or none.
   *
   * @throws OperatorError where the kernel refuses; what was in force stays in force
   */
  apply(settings: RedirectSettings, backend: Backend): void {
    if (backend === 'nftables') {
      this.runNft(renderNft(settings));
      this.removeWithIptables();
    } else {
      this.applyWithIptables(settings);
      this.removeWithNft();
    }
  }

  /** Removes every rule of ours, whatever wrote it. @returns whether there was one */
  remove(): boolean {
    const removed = [this.removeWithNft(), this.removeWithIptables()];
    return removed.includes(true);
  }

  /** @returns undefined where there is no rule of ours */
  inForce(): RulesInForce | undefined {
    return this.inForceWithNft() ?? this.inForceWithIptables();
  }

  private inForceWithNft(): RulesInForce | undefined {
    const text = this.run('nft', ['list', 'table', ...NFT_TABLE.split(' ')]);
    if (!text.ok) return undefined;
    const json = this.run('nft', ['-j', 'list', 'table', ...NFT_TABLE.split(' ')]);
    return { backend: 'nftables', settings: sorted(readNft(json.output)), rules: linesOf(text.output) };
  }

  private inForceWithIptables(): RulesInForce | undefined {
    const saved = this.families.map((family) => this.save(family));
    const rules = saved.flatMap((text) => linesOf(text).filter((line) => line.includes('ROOST_')));
    if (rules.length === 0) return undefined;
    const each = saved.map((text) => readIptables([text]));
    const settings = each.includes(undefined) ? undefined : readIptables(saved);
    return { backend: 'iptables', settings: sorted(settings), rules };
  }

  private runNft(script: string): void {
    const { ok, problem } = this.run('nft', ['-f', '-'], script);
    if (!ok)
      throw new OperatorError(
        `nft refused the redirect rules, and none was changed: ${problem}. If the kernel is too old for nftables, use "--backend iptables"`,
      );
  }

  private removeWithNft(): boolean {
    const isThere = this.run('nft', ['list', 'table', ...NFT_TABLE.split(' ')]).ok;
    if (isThere) this.runNft(NFT_REMOVE);
    return isThere;
  }

  private removeWithIptables(): boolean {
    const scripts = this.families.map((family) => ({ family, script: removeIptables(this.save(family)) }));
    for (const { family, script } of scripts) if (script !== '') this.restore(family, script);
    return scripts.some(({ script }) => script !== '');
  }

  /** Each family's rules are written at once; if the second family's are refused, the first one's come back. */
  private applyWithIptables(settings: RedirectSettings): void {
    const before = this.families.map((family) => {
      const { ok, output, problem } = this.run(`${IPTABLES[family]}-save`, []);
      if (!ok) throw new OperatorError(`${nameOf(family)} is on, and its rules cannot be read: ${problem}`);
      return { family, saved: output };
    });
    try {
      for (const { family, saved } of before) this.restore(family, renderIptables(settings, family, saved));
    } catch (error) {
      for (const { family, saved } of before) {
        const script = restoreIptables(this.save(family), saved);
        if (script !== '') this.restore(family, script);
      }
      throw error;
    }
  }

  private get families(): Family[] {
    return this.ipv6 ? ['ipv4', 'ipv6'] : ['ipv4'];
  }

  /** Empty where the program is not installed: then it has written nothing. */
  private save(family: Family): string {
    const { ok, output } = this.run(`${IPTABLES[family]}-save`, []);
    return ok ? output : '';
  }

  private restore(family: Family, script: string): void {
    const program = `${IPTABLES[family]}-restore`;
    const { ok, problem } = this.run(program, ['--noflush', '--wait', WAIT_SECONDS], script);
    if (!ok) throw new OperatorError(`${program} refused the redirect rules: ${problem}`);
  }
}

/** The kernel keeps lists in no order. */
function sorted(settings: RedirectSettings | undefined): RedirectSettings | undefined {
  if (settings === undefined) return undefined;
  const byNumber = (a: number, b: number) => a - b;
  return {
    ...settings,
    excludeInboundPorts: settings.excludeInboundPorts.toSorted(byNumber),
    excludeOutboundPorts: settings.excludeOutboundPorts.toSorted(byNumber),
    excludeOutboundCidrs: settings.excludeOutboundCidrs.toSorted(),
    excludeInterfaces: settings.excludeInterfaces.toSorted(),
  };
}

function nameOf(family: Family): string {
  return family === 'ipv6' ? 'IPv6' : 'IPv4';
}

function linesOf(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => line.replaceAll('\t', '  '));
}
