import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

/** The project's folder. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
export const COMPOSE_FILE = join(ROOT, 'docker-compose.yml');

/** A service of a Compose file, as far as the tests look at it. */
export interface ComposeService {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly target: string };
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly network_mode?: string;
  readonly networks?: { readonly default: { readonly aliases: readonly string[] } };
  readonly extra_hosts?: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

export function readCompose(): ComposeFile {
  return parse(readFileSync(COMPOSE_FILE, 'utf8'), { merge: true }) as ComposeFile;
}

export function environmentOf({ environment = {} }: ComposeService): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, String(value)]));
}

/** `--inbound=0.0.0.0:15006` → the value; undefined where the command has no such flag. */
export function flagOf({ command }: ComposeService, name: string): string | undefined {
  const prefix = `--${name}=`;
  return command.find((word) => word.startsWith(prefix))?.slice(prefix.length);
}

export function portOf(address: string | undefined): number {
  return Number(address?.split(':').at(-1));
}

/** An app's container and the sidecar's that shares its network. */
export interface ComposePod {
  readonly name: string;
  readonly app: ComposeService;
  readonly sidecar: ComposeService;
}

export function podsOf({ services }: ComposeFile): ComposePod[] {
  return Object.values(services).flatMap((sidecar) => {
    const name = sidecar.network_mode?.replace(/^service:/, '');
    const app = name === undefined ? undefined : services[name];
    return name === undefined || app === undefined ? [] : [{ name, app, sidecar }];
  });
}
