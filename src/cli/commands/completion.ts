import type { Command } from 'commander';
import { UsageError } from '../flags.js';
import { print } from '../terminal.js';

/** A command as a shell completes it: `plan split`, its flags, and the commands below it. */
interface Entry {
  /** Words after `roost`; empty: `roost` itself. */
  readonly path: string;
  readonly words: readonly string[];
}

const SHELLS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

const SET_UP = `
Bash:  source <(roost completion bash)
Zsh:   source <(roost completion zsh)         # after compinit
Fish:  roost completion fish | source`;

export function addCompletion(program: Command): void {
  const command = program
    .command('completion')
    .argument('<shell>', Object.keys(SHELLS).join(', '))
    .summary('print a script that completes commands in your shell')
    .description('Prints a script with which a shell completes commands and their options.')
    .addHelpText(
      'after',
      `\nExample:\n  roost completion bash > roost.bash\n\nPut one of these into the file that your shell reads when it starts:${SET_UP}`,
    );
  command.action(async (shell: string) => {
    if (!Object.hasOwn(SHELLS, shell))
      throw new UsageError([`unknown shell "${shell}"; expected ${Object.keys(SHELLS).join(', ')}`], command);
    // All verbs are needed, where otherwise only the one that is asked for is loaded.
    const { createProgram } = await import('../program.js');
    print(SHELLS[shell as keyof typeof SHELLS](entriesOf(await createProgram())));
  });
}

function entriesOf(command: Command, path: readonly string[] = []): Entry[] {
  const flags = command.options.flatMap(({ long, hidden }) => (long && !hidden ? [long] : []));
  const below = command.commands.filter((each) => each.name() !== 'help');
  const words = [...below.map((each) => each.name()), ...flags, '--help'];
  return [
    { path: path.join(' '), words: [...new Set(words)] },
    ...below.flatMap((each) => entriesOf(each, [...path, each.name()])),
  ];
}

/** The words before the cursor that name a command pick its entry; files are completed where a flag takes one. */
function bashScript(entries: readonly Entry[]): string {
  const cases = entries.map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`).join('\n');
  return `_roost() {
  local path='' words='' word i
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  case "$previous" in
    -f|--file|--config) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case " ${entries.map(({ path }) => path.replaceAll(' ', '_')).join(' ')} " in
      *" \${path:+\${path// /_}_}$word "*) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _roost roost`;
}

/** Zsh runs the script for bash. */
function zshScript(entries: readonly Entry[]): string {
  return `autoload -U +X bashcompinit && bashcompinit\n${bashScript(entries)}`;
}

function fishScript(entries: readonly Entry[]): string {
  const lines = entries.flatMap(({ path, words }) => {
    const last = path.split(' ').at(-1) ?? '';
    const when = path === '' ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${last}`;
    return words.map((word) =>
      word.startsWith('--')
        ? `complete -c roost -n '${when}' -l ${word.slice(2)}`
        : `complete -c roost -f -n '${when}' -a ${word}`,
    );
  });
  return lines.join('\n');
}
