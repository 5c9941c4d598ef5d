import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onPath, type ProcessGroup } from '../processes.js';
import type { LoadResult, SaturateOptions } from './load.js';

/** Sends the pool's requests one after the other, each thread from a place of its own. */
const SCRIPT = `
local threads = 0
function setup(thread)
  thread:set('place', threads)
  threads = threads + 1
end

local requests, count, at = {}, 0, 0
function init(args)
  local file = assert(io.open(args[1], 'rb'))
  local all = file:read('*a')
  file:close()
  for request in string.gmatch(all, '[^\\30]+') do
    count = count + 1
    requests[count] = request
  end
  at = place * 1237
end

function request()
  at = at % count + 1
  return requests[at]
end

function done(summary)
  local e = summary.errors
  io.write(string.format('RESULT %d %d %d %d %d\\n', summary.requests, summary.duration, summary.bytes,
    e.status, e.connect + e.read + e.write + e.timeout))
end
`;

export function hasWrk(): boolean {
  return onPath('wrk') !== undefined;
}

/** As many requests as the target answers, with `wrk`. */
export async function saturateWithWrk(
  processes: ProcessGroup,
  options: SaturateOptions,
): Promise<LoadResult> {
  const script = join(processes.folder, 'requests.lua');
  writeFileSync(script, SCRIPT);
  const { workload, target, seconds, cores } = options;
  const scheme = target.tls ? 'https' : 'http';
  const threads = Math.max(1, Math.min(options.threads, workload.connections));
  const args = [
    ...['-t', String(threads), '-c', String(workload.connections)],
    ...['-d', `${Math.max(1, Math.round(seconds))}s`, '--timeout', '5s', '-s', script],
    `${scheme}://127.0.0.1:${target.port}`,
    ...['--', options.pool],
  ];
  const { stdout } = await processes.run('wrk', args, { name: 'wrk', cores });
  return parseWrk(stdout, workload.newConnections);
}

/**
 * @param closes the server ends every connection; `wrk` may then find one ended that it meant to use, and says
 *   so as a read error although every request was answered
 */
export function parseWrk(output: string, closes = false): LoadResult {
  const found = /^RESULT (\d+) (\d+) (\d+) (\d+) (\d+)$/m.exec(output);
  if (!found) throw new Error(`wrk printed no result: ${output}`);
  const [requests, micros, bytes, statuses, sockets] = found.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  return { requests, seconds: micros / 1e6, bytes, errors: statuses + (closes ? 0 : sockets) };
}
