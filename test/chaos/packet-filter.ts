import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findPeer, pathOf } from '../support/peers.js';

const run = promisify(execFile);

export const IPTABLES = findPeer('IPTABLES', 'iptables');

/** Loses packets, in a network namespace of one's own. */
export class PacketFilter {
  async drop(port: number): Promise<void> {
    for (const rule of rulesOf(port)) await run(pathOf(IPTABLES), ['-w', '-A', ...rule]);
  }

  async pass(port: number): Promise<void> {
    for (const rule of rulesOf(port)) await run(pathOf(IPTABLES), ['-w', '-D', ...rule]);
  }
}

function rulesOf(port: number): string[][] {
  return ['--dport', '--sport'].map((side) => ['INPUT', '-p', 'tcp', side, String(port), '-j', 'DROP']);
}
