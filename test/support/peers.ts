import { spawnSync } from 'node:child_process';

/**
 * Whether tests against a program that is not ours are skipped: the reason where it is not installed, false where
 * it is. With `ROOST_REQUIRE_PEERS=1` they are never skipped, and so fail without it.
 *
 * @param command its name, or the path to it
 * @param probe arguments with which it does nothing and ends
 */
export function skipWithout(command: string, probe: readonly string[]): string | false {
  if (process.env.ROOST_REQUIRE_PEERS === '1') return false;
  return spawnSync(command, probe, { stdio: 'ignore' }).error ? `${command} is not installed` : false;
}
