import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';

import { printableJson } from './printable.js';
import { isReadable, type LogFormat, readableLine } from './readable-log.js';

export type { Logger };

/** Writes a warning, wherever the caller's log ends up: for parts that run in threads that have no logger. */
export type Warn = (fields: Readonly<Record<string, string>>, message: string) => void;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * The process's logger: lines on standard output, of JSON or for people. Components get children of it, each named by
 * `component`; nothing else constructs one.
 */
export function createLogger(
  name: string,
  level: LogLevel,
  destination?: DestinationStream,
  format: LogFormat = 'json',
): Logger {
  const options: LoggerOptions = {
    level,
    base: { process: name },
    timestamp: pino.stdTimeFunctions.isoTime,
    // Logs are read on terminals, and much of what they tell was said by peers.
    hooks: { streamWrite: isReadable(format) ? forPeople : printableJson },
  };
  return destination ? pino(options, destination) : pino(options);
}

function forPeople(json: string): string {
  // https://no-color.org
  const colour = process.stdout.isTTY === true && !process.env.NO_COLOR;
  return readableLine(printableJson(json), colour);
}
