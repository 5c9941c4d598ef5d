import type { Command } from 'commander';
import {
  injectManifest,
  type ManifestResult,
  type ObjectReport,
  uninjectManifest,
} from '../../inject/manifest.js';
import { readBoundedFile } from '../../lifecycle/bounded-file.js';
import { listFiles } from '../../model/read-files.js';
import { decodeText, misplacedCharacter } from '../../model/source-text.js';
import { MAX_FILE_BYTES } from '../../model/yaml-source.js';
import { CommandError, EXIT } from '../exit.js';
import { addFlags, type Flags, isSwitch, readFlags } from '../flags.js';
import { readStandardInput } from '../standard-input.js';
import { printError } from '../terminal.js';
import { MANIFESTS_FLAG } from './file-flags.js';
import { INJECT_FLAGS, injectSettingsOf } from './inject-flags.js';

const INPUT_FLAGS = {
  ...MANIFESTS_FLAG,
  quiet: {
    name: 'quiet',
    short: 'q',
    help: 'do not say on standard error what became of each object',
    default: 'false',
    parse: isSwitch,
  },
} as const satisfies Flags;

const FLAGS = { ...INPUT_FLAGS, ...INJECT_FLAGS } as const satisfies Flags;

const INJECT_HELP = `
The manifests go to standard output, what became of each object to standard
error. Only lines of the sidecar's are added: comments, order and white space
stay. A second run changes nothing; "roost uninject" restores the original.
docs/injection.md lists what is added, the annotations, and what happens to
pods with hostNetwork, other sidecars, probes and Jobs.

Exit code: 0 done, 2 a manifest or an annotation is wrong (nothing is printed).

Examples:
  roost inject -f checkout.yaml | kubectl apply -f -
  kubectl get deployment checkout -o yaml | roost inject -f - | kubectl apply -f -`;

const UNINJECT_HELP = `
Exit code: 0 done, 2 a manifest is wrong (nothing is printed).

Example:
  kubectl get deployment checkout -o yaml | roost uninject -f - | kubectl apply -f -`;

export function addInject(program: Command): void {
  const command = program
    .command('inject')
    .summary('add a sidecar to Kubernetes manifests')
    .description(
      'Adds a sidecar, and the redirection of its connections, to every workload of Kubernetes manifests.',
    )
    .addHelpText('after', INJECT_HELP);
  addFlags(command, FLAGS).action(async () => {
    const flags = readFlags(command, FLAGS);
    const settings = injectSettingsOf(flags);
    await convert(flags, (text) => injectManifest(text, settings));
  });
}

export function addUninject(program: Command): void {
  const command = program
    .command('uninject')
    .summary('take the sidecar out of Kubernetes manifests')
    .description('Takes what "roost inject" or the webhook added out of Kubernetes manifests again.')
    .addHelpText('after', UNINJECT_HELP);
  addFlags(command, INPUT_FLAGS).action(async () =>
    convert(readFlags(command, INPUT_FLAGS), uninjectManifest),
  );
}

interface Input {
  readonly name: string;
  readonly text: string;
}

/** Converts every file, or none. */
async function convert(
  { file, quiet }: { readonly file: readonly string[]; readonly quiet: boolean },
  work: (text: string) => ManifestResult,
): Promise<void> {
  const problems: string[] = [];
  const inputs = await readInputs(file, problems);
  const results = inputs.map(({ name, text }) => ({ name, ...work(text) }));
  for (const { name, problems: found } of results)
    for (const { line, column, message } of found) problems.push(`${name}:${line}:${column}: ${message}`);
  if (problems.length > 0) throw new CommandError('nothing was changed', EXIT.usage, problems);
  process.stdout.write(joinDocuments(results.map(({ text }) => text)));
  if (quiet) return;
  for (const { objects } of results) for (const object of objects) printError(describe(object));
}

async function readInputs(paths: readonly string[], problems: string[]): Promise<Input[]> {
  const inputs: Input[] = [];
  for (const path of paths) {
    if (path === '-') inputs.push(...decode('-', await readStandardInput(), problems));
    else for (const file of filesOf(path, problems)) inputs.push(...readOne(file, file === path, problems));
  }
  return inputs;
}

function filesOf(path: string, problems: string[]): string[] {
  return attempt(path, problems, () => listFiles([path])) ?? [];
}

function readOne(file: string, pipes: boolean, problems: string[]): Input[] {
  const bytes = attempt(file, problems, () => readBoundedFile(file, { maxBytes: MAX_FILE_BYTES, pipes }));
  return bytes === undefined ? [] : decode(file, bytes, problems);
}

function attempt<T>(file: string, problems: string[], work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    problems.push(`${file}:1:1: ${code === 'ENOENT' ? 'file or folder not found' : message}`);
    return undefined;
  }
}

function decode(name: string, bytes: Buffer, problems: string[]): Input[] {
  if (bytes.length > MAX_FILE_BYTES) {
    problems.push(`${name}:1:1: is larger than 16 MiB`);
    return [];
  }
  const decoded = decodeText(bytes);
  const problem = 'problem' in decoded ? decoded.problem : misplacedCharacter(decoded.text);
  if (problem !== undefined) problems.push(`${name}:${problem.line}:${problem.column}: ${problem.message}`);
  return 'text' in decoded && problem === undefined ? [{ name, text: decoded.text }] : [];
}

/** Several files become one of several documents. */
function joinDocuments(texts: readonly string[]): string {
  return texts.reduce((joined, text) => {
    if (joined === '') return text;
    const end = joined.endsWith('\n') ? '' : '\n';
    return `${joined}${end}${text.startsWith('---') ? '' : '---\n'}${text}`;
  }, '');
}

function describe({ title, outcome, notes, surprising }: ObjectReport): string {
  const mark = surprising ? 'warning: ' : '';
  return `${mark}${title}: ${[outcome, ...notes].join(': ')}`;
}
