import type { Command, Option } from 'commander';
import { flagOf, variableOf } from '../cli/flags.js';

const INTRODUCTION = `# Command line

Reference of every command of \`roost\` and its options. For operators and for scripts. This page is made from the commands; \`roost COMMAND --help\` says the same with examples, and \`roost completion SHELL\` has your shell complete it.

Every option has a variable, in which it can be set for all commands. An option that was given counts before its variable. Exit codes: [operations](../operations.md).
`;

/** docs/reference/command-line.md */
export function commandLinePage(program: Command): string {
  const sections = program.commands
    .filter((command) => command.name() !== 'help')
    .flatMap((command) => sectionsOf(command, 'roost'));
  return `${INTRODUCTION}\n${sections.join('\n\n')}\n`;
}

function sectionsOf(command: Command, above: string): string[] {
  const name = `${above} ${command.name()}`;
  const below = command.commands.filter((each) => each.name() !== 'help');
  const own = [
    `## ${name}`,
    command.description() || sentence(command.summary()),
    usage(command, name),
    options(command),
  ];
  return [own.filter((part) => part !== '').join('\n\n'), ...below.flatMap((each) => sectionsOf(each, name))];
}

function sentence(summary: string): string {
  return summary === '' ? '' : `${summary[0]?.toUpperCase()}${summary.slice(1)}.`;
}

function usage({ registeredArguments, options: all, commands }: Command, name: string): string {
  const words = registeredArguments.map((argument) => {
    const text = `${argument.name()}${argument.variadic ? '…' : ''}`;
    return argument.required ? `<${text}>` : `[${text}]`;
  });
  const parts = [
    name,
    ...(commands.length > 0 && words.length === 0 ? [] : words),
    ...(all.length > 0 ? ['[options]'] : []),
  ];
  return `\`\`\`\nUsage: ${parts.join(' ')}\n\`\`\``;
}

function options({ options: all }: Command): string {
  const shown = all.filter(({ hidden }) => !hidden);
  if (shown.length === 0) return '';
  return ['| option | default | variable | meaning |', '|---|---|---|---|', ...shown.map(row)].join('\n');
}

function row(option: Option): string {
  const flag = flagOf(option);
  if (flag === undefined) return `| ${code(option.flags)} |  |  | ${escaped(option.description)} |`;
  const given = flag.required ? '**required**' : code(flag.default ?? '');
  const meaning = `${flag.help}${flag.repeatable ? '; may be repeated' : ''}`;
  return `| ${code(option.flags)} | ${given} | ${code(variableOf(flag))} | ${escaped(meaning)} |`;
}

function code(text: string): string {
  return text === '' ? '' : `\`${text.replaceAll('|', '\\|')}\``;
}

function escaped(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
