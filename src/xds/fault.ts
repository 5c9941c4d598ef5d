import type { Message } from './descriptors.js';
import { message, type Problems, readDuration } from './fields.js';
import { type FilterEntry, findFilterConfig } from './per-filter-config.js';
import { readFraction } from './route-match.js';
import { refuseUnsupported } from './unsupported.js';

export interface FaultConfig {
  readonly delayMs: number;
  readonly delayFraction: number;
  /** 0: none. */
  readonly abortStatus: number;
  readonly abortFraction: number;
}

export const FAULT_FILTER = 'envoy.filters.http.fault';
export const FAULT_TYPE = 'envoy.extensions.filters.http.fault.v3.HTTPFault';

/** The fault that a route, a virtual host or all of the routes ask for. @returns undefined: that is said elsewhere */
export function readFaultOverride(
  entries: readonly FilterEntry[],
  path: string,
  problems: Problems,
): FaultConfig | 'disabled' | undefined {
  const found = findFilterConfig(entries, FAULT_FILTER, FAULT_TYPE);
  return typeof found === 'object' ? readFault(found, `${path}.${FAULT_FILTER}`, problems) : found;
}

export function readFault(fault: Message, path: string, problems: Problems): FaultConfig {
  refuseUnsupported(FAULT_TYPE, fault, path, problems);
  const [delay, abort] = [message(fault.delay) ?? {}, message(fault.abort)];
  refuseUnsupported('envoy.extensions.filters.common.fault.v3.FaultDelay', delay, `${path}.delay`, problems);
  const abortStatus = abort === undefined ? 0 : readAbortStatus(abort, `${path}.abort`, problems);
  return {
    delayMs: readDuration(delay.fixedDelay, `${path}.delay.fixed_delay`, problems) ?? 0,
    delayFraction: readFraction(delay.percentage),
    abortStatus,
    abortFraction: readFraction(abort?.percentage),
  };
}

function readAbortStatus(abort: Message, path: string, problems: Problems): number {
  refuseUnsupported('envoy.extensions.filters.http.fault.v3.FaultAbort', abort, path, problems);
  const status = Number(abort.httpStatus ?? 0);
  if (status < 200 || status > 599) problems.add(`${path}.http_status`, `${status} is none from 200 to 599`);
  return status;
}
