import { LOG_LEVELS } from '../../telemetry/logger.js';
import { LOG_FORMATS } from '../../telemetry/readable-log.js';
import { type Flags, oneOf } from '../flags.js';

/** What every process takes that writes a log. */
export const LOG_FLAGS = {
  logLevel: {
    name: 'log-level',
    argument: 'LEVEL',
    help: LOG_LEVELS.join(', '),
    default: 'info',
    parse: oneOf(LOG_LEVELS),
  },
  logFormat: {
    name: 'log-format',
    argument: 'FORMAT',
    help: 'json, text for people, or auto: text on a terminal; NO_COLOR turns colours off',
    default: 'auto',
    parse: oneOf(LOG_FORMATS),
  },
} as const satisfies Flags;
