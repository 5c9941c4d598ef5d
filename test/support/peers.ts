import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A program of another project that tests run against. */
export interface Peer {
  readonly name: string;
  /** Undefined where this machine has none. */
  readonly path: string | undefined;
  /** For a test's `skip`: why it cannot run here; false where it can, or where it has to and is to fail. */
  readonly skip: string | false;
}

/**
 * Looks a peer up: the path that an environment variable names, or else the first of these names on PATH.
 *
 * @param variable undefined: no variable names it
 */
export function findPeer(variable: string | undefined, ...names: readonly string[]): Peer {
  const name = names[0] as string;
  const path = (variable === undefined ? undefined : process.env[variable]) || onPath(names);
  const mayBeMissing = process.env.ROOST_REQUIRE_PEERS !== '1';
  const remedy = variable === undefined ? '' : ` and ${variable} does not say where it is`;
  return { name, path, skip: path === undefined && mayBeMissing && `${name} is not on PATH${remedy}` };
}

/** @throws Error where the machine does not have it */
export function pathOf({ name, path }: Peer): string {
  if (path === undefined) throw new Error(`${name} is not installed, and ROOST_REQUIRE_PEERS=1 asks for it`);
  return path;
}

function onPath(names: readonly string[]): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
