import { printableJson } from '../../src/telemetry/printable.js';

/** Which requests are logged: none, those that failed, or all. */
export const ACCESS_LOG_LEVELS = ['off', 'errors', 'all'] as const;
export type AccessLogLevel = (typeof ACCESS_LOG_LEVELS)[number];

/** Takes lines; to be quick, to bound what it holds and to see it written is its own business. */
export interface LineDestination {
  write(line: string): void;
}

const INFO = 30;
const WARN = 40;

/**
 * One line for each request, as pino writes lines and with its levels: 30, and 40 for requests that failed. Put
 * together here, since what pino takes for 20 fields is more than all that the sidecar does to decide
 * (docs/observability.md has the figures).
 */
export class AccessLog {
  private readonly base: string;

  /** @param sidecar whose sidecar writes it: `frontend.shop` */
  constructor(
    private readonly destination: LineDestination,
    sidecar: string,
  ) {
    this.base = JSON.stringify({ process: 'sidecar', component: 'access', sidecar }).slice(1, -1);
  }

  /** @param record as JSON, with at least one field */
  write(record: string, time: string, failed: boolean): void {
    this.destination.write(
      printableJson(`{"level":${failed ? WARN : INFO},"time":"${time}",${this.base},${record.slice(1)}\n`),
    );
  }
}
