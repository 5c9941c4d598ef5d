import { readdirSync } from 'node:fs';
import { Command } from 'commander';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { parseMeshService } from '../../../src/model/mesh-service.js';
import { PAGES, read } from '../../support/documentation.js';

/** Every YAML example of the documentation is valid, and every `roost …` command is one that the CLI takes. */

interface Block {
  readonly page: string;
  readonly language: string;
  readonly text: string;
}

function blocksOf(page: string): Block[] {
  const source = read(page);
  return [...source.matchAll(/^( *)```(\w*)\n(.*?)^\1```$/gms)].map(
    ([, indent = '', language = '', text = '']) => ({
      page,
      language,
      text: text.replace(new RegExp(`^${indent}`, 'gm'), ''),
    }),
  );
}

const blocks = PAGES.flatMap(blocksOf);

/** An example that shows a part of a service, in a whole one. */
function wholeService(example: unknown): unknown {
  if (typeof example === 'object' && example !== null && 'kind' in example) return example;
  const spec = Array.isArray(example) ? { routes: example } : (example as object);
  const versions = ['v1', 'v2'].map((name) => ({ name, dns: `orders-${name}:80` }));
  return {
    apiVersion: 'roost.dev/v1alpha1',
    kind: 'MeshService',
    metadata: { name: 'orders' },
    spec: { port: 80, versions, ...spec },
  };
}

/** `role` stands in credentials only, whose example leaves out most of a digest. */
const isCredentials = (text: string) => /^ +role: /m.test(text);

t.test('every YAML example is a service that can be applied, or a part of one', async (t) => {
  const examples = blocks.filter(({ language, text }) => language === 'yaml' && !isCredentials(text));
  t.ok(examples.length > 10);
  for (const { page, text } of examples)
    for (const document of parseAllDocuments(text))
      t.doesNotThrow(() => parseMeshService(wholeService(document.toJS())), `${page}:\n${text}`);
});

/** The commands of the CLI, of every file that adds some. */
async function createProgram(): Promise<Command> {
  const program = new Command('roost').exitOverride().enablePositionalOptions();
  program.configureOutput({ writeErr: () => undefined });
  const folder = new URL('../../../src/cli/commands/', import.meta.url);
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.js'))) {
    const exported = (await import(new URL(file, folder).href)) as Record<string, unknown>;
    for (const [name, add] of Object.entries(exported))
      if (/^add[A-Z]/.test(name) && typeof add === 'function' && add.length === 1) add(program);
  }
  program.command('version');
  return program;
}

/** The words of a command line, as a shell makes them of it: quotes, and no more than one command. */
function wordsOf(line: string): string[] {
  const words = line.match(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g) ?? [];
  const end = words.findIndex((word) => /^(?:#.*|[|&;].*|\d?>+.*|<.*)$/.test(word));
  return words.slice(0, end === -1 ? undefined : end).map((word) => word.replace(/['"]/g, ''));
}

/** What is wrong with a command line: nothing, or a sentence. */
function problemOf(program: Command, words: readonly string[], isWhole: boolean): string | undefined {
  let command = program;
  let rest = [...words];
  for (;;) {
    const next = command.commands.find(
      (each) => each.name() === rest[0] || each.aliases().includes(rest[0] ?? ''),
    );
    if (next === undefined) break;
    command = next.exitOverride().configureOutput({ writeErr: () => undefined });
    rest = rest.slice(1);
  }
  if (command === program) return rest[0]?.startsWith('-') ? undefined : `roost has no command "${rest[0]}"`;
  const elided = rest.findIndex((word) => word.includes('…'));
  if (elided !== -1) rest = rest.slice(0, elided);
  try {
    const { operands, unknown } = command.parseOptions(rest);
    const options = unknown.filter((word) => word.startsWith('-') && !/^(?:-|-h|--help)$/.test(word));
    if (options.length > 0) return `${command.name()} has no option ${options.join(', ')}`;
    const known = command.registeredArguments;
    if (!known.at(-1)?.variadic && operands.length > known.length && command.commands.length === 0)
      return `${command.name()} takes no argument "${operands.at(-1)}"`;
    const needed = known.filter(({ required }) => required).length;
    if (isWhole && elided === -1 && operands.length < needed) return `${command.name()} lacks an argument`;
    return undefined;
  } catch (error) {
    return isWhole && elided === -1 ? (error as Error).message : undefined;
  }
}

t.test('every command in a code block is one that the CLI takes', async (t) => {
  const program = await createProgram();
  let count = 0;
  for (const { page, text } of blocks)
    for (const line of text.replace(/\\\n\s*/g, ' ').split('\n')) {
      const [, command] = /^(?:\$ )?(?:npx |docker compose exec [\w-]+ )?roost (.+)$/.exec(line) ?? [];
      if (command === undefined) continue;
      count++;
      t.equal(problemOf(program, wordsOf(command), true), undefined, `${page}: ${line}`);
    }
  t.ok(count > 50, `${count} commands`);
});

t.test('every command in a sentence exists, with the options that it is given', async (t) => {
  const program = await createProgram();
  for (const page of PAGES) {
    const prose = read(page).replace(/^( *)```.*?^\1```$/gms, '');
    for (const [whole, command = ''] of prose.matchAll(/`roost ([a-z][^`]*)`/g)) {
      // "split|promote|abort" names several commands: the first one stands for them.
      const words = wordsOf(command.replace(/(?<=\w)\|[\w|]+/g, ''));
      t.equal(problemOf(program, words, false), undefined, `${page}: ${whole}`);
    }
  }
});
