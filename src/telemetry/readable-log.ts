import { printable } from './printable.js';

/** How the process's log is written: for programs, for people, or for whichever of them reads it. */
export const LOG_FORMATS = ['auto', 'json', 'text'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** Whether people read the log: they asked for text, or standard output is a terminal. */
export function isReadable(format: LogFormat, isTerminal = process.stdout.isTTY === true): boolean {
  return format === 'text' || (format === 'auto' && isTerminal);
}

const NAMES: Readonly<Record<number, string>> = {
  10: 'TRACE',
  20: 'DEBUG',
  30: 'INFO',
  40: 'WARN',
  50: 'ERROR',
  60: 'FATAL',
};
const YELLOW = 33;
const RED = 31;
const GREY = 90;
const WARN = 40;
const ERROR = 50;
/** Said once, by the process's first line, or in the line's own place. */
const LEFT_OUT = new Set(['level', 'time', 'msg', 'process', 'component']);

/**
 * A line of the log for people: `13:45:01 WARN  store: the disk is full  path=/var/lib/roost`.
 *
 * @param json one line as pino writes it
 */
export function readableLine(json: string, colour: boolean): string {
  const record = parsed(json);
  if (record === undefined) return json;
  const level = Number(record.level);
  const paint = (code: number, text: string) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
  const name = (NAMES[level] ?? String(record.level)).padEnd(5);
  const painted = level >= ERROR ? paint(RED, name) : level >= WARN ? paint(YELLOW, name) : name;
  const component = typeof record.component === 'string' ? `${printable(record.component)}: ` : '';
  const fields = Object.entries(record)
    .filter(([key]) => !LEFT_OUT.has(key))
    .map(([key, value]) => `${printable(key)}=${printable(shown(value))}`);
  const rest = fields.length === 0 ? '' : `  ${paint(GREY, fields.join(' '))}`;
  const time = paint(GREY, String(record.time).slice('2000-01-01T'.length, -'.000Z'.length));
  return `${time} ${painted} ${component}${printable(String(record.msg ?? ''))}${rest}\n`;
}

function parsed(json: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return JSON.parse(json) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** Text that is one word as it is; everything else as JSON. */
function shown(value: unknown): string {
  return typeof value === 'string' && /^[\w./:@+-]+$/.test(value) ? value : JSON.stringify(value);
}
