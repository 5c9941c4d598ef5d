import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { credentialName, credentialNamespace } from '../../access/credential-schema.js';
import { ALL_NAMESPACES, ROLES } from '../../access/role.js';
import { digestOfToken, newToken } from '../../access/token.js';
import { addFlags, FlagError, type Flags, oneOf, readFlags, text } from '../flags.js';
import { formatYaml } from '../format-yaml.js';
import { print } from '../terminal.js';

const FLAGS = {
  name: {
    name: 'name',
    argument: 'NAME',
    help: 'who will have it, for logs and the history of changes',
    required: true,
    parse: parseName,
  },
  role: {
    name: 'role',
    argument: ROLES.join('|'),
    help: 'what it allows: to look, also to move traffic, also to apply and delete; or to be a sidecar',
    required: true,
    parse: oneOf(ROLES),
  },
  namespaces: {
    name: 'namespaces',
    argument: 'A,B…',
    help: `the namespaces it is good for; "${ALL_NAMESPACES}": all`,
    required: true,
    parse: parseNamespaces,
  },
  out: {
    name: 'out',
    argument: 'FILE',
    help: 'write the token there, for the owner only, instead of on standard error; a file that exists is left alone',
    default: '',
    parse: text,
  },
} as const satisfies Flags;

export function addToken(program: Command): void {
  const group = program
    .command('token')
    .summary('make tokens for the control plane')
    .description('Makes tokens for people, programs and sidecars that talk to the control plane.')
    .addHelpText('after', '\nExample:\n  roost token new --name ci --role operate --namespaces shop');
  const command = group
    .command('new')
    .summary('make a token')
    .description(
      'Makes a token. It is shown once, on standard error or in a file, and kept nowhere. The entry for the file ' +
        'of "roost control-plane --tokens FILE", which holds only its digest, is on standard output.',
    )
    .addHelpText(
      'after',
      '\nExample:\n  roost token new --name ci --role operate --namespaces shop --out ci.token >> tokens.yaml',
    );
  addFlags(command, FLAGS).action(() => {
    const { name, role, namespaces, out } = readFlags(command, FLAGS);
    const token = newToken();
    const sha256 = digestOfToken(token).toString('hex');
    if (out === '') process.stderr.write(`${token}\n`);
    else writeFileSync(out, `${token}\n`, { mode: 0o600, flag: 'wx' });
    print(formatYaml([{ name, sha256, role, namespaces }]).trimEnd());
  });
}

function parseName(value: string): string {
  const parsed = credentialName.safeParse(value);
  if (!parsed.success) throw new FlagError(parsed.error.issues[0]?.message);
  return parsed.data;
}

function parseNamespaces(value: string): readonly string[] {
  const names = value.split(',');
  const wrong = names.find((name) => !credentialNamespace.safeParse(name).success);
  if (wrong !== undefined) throw new FlagError(`has "${wrong}", which is not a namespace`);
  return names;
}
