import { type Command, Option } from 'commander';
import {
  durationProblem,
  LONGEST_TIMER,
  parseDuration,
  type SocketAddress,
  splitHostPort,
} from '../model/formats.js';
import { nearestOf } from '../model/nearest.js';

/**
 * Flags declared once: from the table come the option on the command, its `ROOST_*` variable, its default, its
 * line in `--help` and its parsing. All that is wrong is reported together.
 */
export interface Flag<T> {
  /** `data-dir` */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** What stands for the value in the help; none: a switch. */
  readonly argument?: string;
  readonly help: string;
  /** As a user would write it; none: required, or absent. */
  readonly default?: string;
  readonly required?: boolean;
  readonly repeatable?: boolean;
  /** Throws FlagError with what would be right. */
  parse(text: string): T;
  /** What messages may show of a value that may hold a secret; absent: all of it. */
  readonly show?: (text: string) => string;
}

/** A value that a flag does not take. */
export class FlagError extends Error {}

/** The command cannot be run as it was written. */
export class UsageError extends Error {
  constructor(
    readonly problems: readonly string[],
    command: Command,
  ) {
    super(`nothing was done; see "roost ${fullName(command)} --help"`);
    this.name = 'UsageError';
  }
}

/** `import ingress`: a command with those above it, but for `roost` itself. */
function fullName(command: Command): string {
  const { parent } = command;
  return parent?.parent ? `${fullName(parent)} ${command.name()}` : command.name();
}

export type Flags = Readonly<Record<string, Flag<unknown>>>;
type ValueOf<F> = F extends { repeatable: true; parse(text: string): infer T }
  ? readonly T[]
  : F extends
        | { default: string; parse(text: string): infer T }
        | { required: true; parse(text: string): infer T }
    ? T
    : F extends { parse(text: string): infer T }
      ? T | undefined
      : never;
export type Values<F extends Flags> = { readonly [K in keyof F]: ValueOf<F[K]> };

export function variableOf({ name }: { readonly name: string }): string {
  return `ROOST_${name.toUpperCase().replaceAll('-', '_')}`;
}

/** What an option on a command was declared as. */
const DECLARED = new WeakMap<Option, Flag<unknown>>();

/** The flag that {@link addFlags} made the option of; undefined: another part of the program made it. */
export function flagOf(option: Option): Flag<unknown> | undefined {
  return DECLARED.get(option);
}

export function addFlags(command: Command, flags: Flags): Command {
  // What is unknown is reported by readFlags, together with all else that is wrong.
  command.allowUnknownOption().allowExcessArguments();
  for (const flag of Object.values(flags)) {
    const short = flag.short === undefined ? '' : `-${flag.short}, `;
    const value = flag.argument === undefined ? '' : ` <${flag.argument}>`;
    const notes = [
      flag.required ? 'required' : '',
      flag.repeatable ? 'may be repeated' : '',
      flag.default ? `default: ${flag.default}` : '',
      `env: ${variableOf(flag)}`,
    ].filter((note) => note !== '');
    const option = new Option(`${short}--${flag.name}${value}`, `${flag.help} (${notes.join('; ')})`);
    if (flag.repeatable) option.argParser((text: string, sofar: string[] = []) => [...sofar, text]);
    DECLARED.set(option, flag);
    command.addOption(option);
  }
  return command;
}

/**
 * Reads a command's flags from what the user wrote, then from the environment, then from the defaults.
 *
 * @throws UsageError naming everything that is wrong.
 */
export function readFlags<F extends Flags>(command: Command, flags: F, environment = process.env): Values<F> {
  const given = command.opts() as Record<string, string | string[] | boolean | undefined>;
  const problems = findUnknown(command);
  const entries = Object.entries(flags).map(([key, flag]) => {
    const texts = textsOf(flag, givenValue(given, flag.name), environment[variableOf(flag)]);
    return [key, parseTexts(flag, texts, problems)];
  });
  if (problems.length > 0) throw new UsageError(problems, command);
  return Object.fromEntries(entries);
}

/** Options and arguments that the command does not have. */
function findUnknown(command: Command): string[] {
  const unknown = command.args.filter((arg) => /^-./.test(arg));
  if (unknown.length > 0) return unknown.map((option) => unknownOption(option, command));
  const { registeredArguments, args } = command;
  if (registeredArguments.at(-1)?.variadic) return [];
  return args.slice(registeredArguments.length).map((arg) => `"${arg}" is an argument too many`);
}

function unknownOption(option: string, command: Command): string {
  const name = option.replace(/=.*/, '');
  const nearest = nearestOf(
    name,
    command.options.map(({ long }) => long ?? ''),
  );
  return `${name}: there is no such option${nearest === undefined ? '' : `; did you mean ${nearest}?`}`;
}

/** Commander turns `--no-wait` into `wait: false`. */
function givenValue(
  given: Record<string, string | string[] | boolean | undefined>,
  name: string,
): string | string[] | boolean | undefined {
  if (!name.startsWith('no-')) return given[camelCase(name)];
  return given[camelCase(name.slice(3))] === false ? true : undefined;
}

interface Found {
  readonly text: string;
  /** Where it was written, for messages. */
  readonly where: string;
}

function textsOf(
  flag: Flag<unknown>,
  given: string | string[] | boolean | undefined,
  variable: string | undefined,
): Found[] {
  const where = `--${flag.name}`;
  if (given !== undefined) return [given].flat().map((text) => ({ text: String(text), where }));
  if (variable !== undefined && variable !== '') {
    const parts = flag.repeatable ? variable.split(',') : [variable];
    return parts.map((text) => ({ text, where: variableOf(flag) }));
  }
  return flag.default === undefined ? [] : [{ text: flag.default, where }];
}

function parseTexts(flag: Flag<unknown>, texts: readonly Found[], problems: string[]): unknown {
  const values = texts.map(({ text, where }) => {
    try {
      return flag.parse(text);
    } catch (error) {
      if (!(error instanceof FlagError)) throw error;
      problems.push(`${where}: "${flag.show?.(text) ?? text}" ${error.message}`);
      return undefined;
    }
  });
  if (values.length === 0 && flag.required)
    problems.push(`--${flag.name} (or ${variableOf(flag)}) is required: ${flag.help}`);
  return flag.repeatable ? values : values[0];
}

function camelCase(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

export function text(value: string): string {
  return value;
}

export function isSwitch(value: string): boolean {
  if (['true', '1', 'yes', 'on'].includes(value)) return true;
  if (['false', '0', 'no', 'off', ''].includes(value)) return false;
  throw new FlagError('is neither true nor false');
}

/** `host:port`, port 0 for a free one. */
export function listenAddress(value: string): SocketAddress {
  const free = value.endsWith(':0');
  const address = splitHostPort(free ? value.replace(/0$/, '1') : value);
  if (address === undefined)
    throw new FlagError('is not a HOST:PORT, such as 127.0.0.1:15010 (port 0 takes a free one)');
  return free ? { ...address, port: 0 } : address;
}

export function dialAddress(value: string): SocketAddress {
  const address = splitHostPort(value);
  if (address === undefined) throw new FlagError('is not a HOST:PORT, such as 127.0.0.1:15010');
  return address;
}

/** `HOST:PORT`, or several with commas in between. */
export function dialAddresses(value: string): readonly SocketAddress[] {
  const addresses = value.split(',').map(splitHostPort);
  if (addresses.includes(undefined))
    throw new FlagError('is not a HOST:PORT, such as 127.0.0.1:15010, nor several with commas in between');
  return addresses as SocketAddress[];
}

export function oneOf<const T extends readonly string[]>(choices: T): (value: string) => T[number] {
  return (value) => {
    if (!choices.includes(value)) throw new FlagError(`is not one of ${choices.join(', ')}`);
    return value;
  };
}

export function wholeNumber(min: number, max: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < min || number > max)
      throw new FlagError(`is not a whole number from ${min} to ${max}`);
    return number;
  };
}

/** `500ms`, `30s`, `5m`, `1h` → milliseconds; between two others, both included. */
export function durationBetween(min: string, max: string): (value: string) => number {
  return (value) => {
    const problem = durationProblem(value, min, max);
    if (problem !== undefined) throw new FlagError(problem);
    return parseDuration(value) as number;
  };
}

/** Any time that something may wait for, none at all included. */
export const durationMs = durationBetween('0s', LONGEST_TIMER);

/** `checkout.shop`, or `checkout` in the namespace `default`. */
export function serviceName(value: string): { readonly name: string; readonly namespace: string } {
  const found = /^([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)(?:\.([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?))?$/.exec(
    value,
  );
  if (!found) throw new FlagError('is no NAME or NAME.NAMESPACE in lower-case letters, digits and "-"');
  return { name: found[1] as string, namespace: found[2] ?? 'default' };
}

/** Ports with commas in between. */
export function portList(value: string): readonly number[] {
  const ports = value.split(',').map((port) => Number(port.trim()));
  if (ports.some((port) => !Number.isInteger(port) || port < 1 || port > 65_535))
    throw new FlagError('is not a list of ports from 1 to 65535 with commas in between, such as 8080,9090');
  return ports;
}
