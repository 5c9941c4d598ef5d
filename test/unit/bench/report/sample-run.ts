import type { Cell, RoundFigures, RunResult } from '../../../../bench/report/results.js';

export function cell(peer: string, workload: string, ...rounds: Partial<RoundFigures>[]): Cell {
  const base: RoundFigures = {
    requestsPerSecond: 10_000,
    cpuUs: 20,
    busyCores: 0.99,
    bytesPerSecond: 10_000_000,
    p50: 0.5,
    p90: 1,
    p99: 2,
    p999: 4,
    residentBytes: 64 * 2 ** 20,
    lateP99: 0.1,
    errors: 0,
  };
  return { peer, workload, rounds: rounds.map((round) => ({ ...base, ...round })) };
}

export function run(change: Partial<RunResult> = {}): RunResult {
  const peer = (name: string, missing = '') => ({
    name,
    description: `the ${name}`,
    version: '1.2',
    missing,
  });
  return {
    schema: 1,
    date: '2026-01-02T03:04:05.000Z',
    commit: 'abc1234',
    machine: { cpu: 'Test CPU', cores: 2, memoryGiB: 8, system: 'Linux 6' },
    tools: { node: '20.20.2', wrk: '4.1.0' },
    seconds: 3,
    rounds: 2,
    rateBasis: 'envoy',
    rates: { small: 5000, 'small-tls': 4000 },
    peers: [peer('haproxy'), peer('envoy', 'missing: put envoy on PATH'), peer('roost')],
    cells: [cell('haproxy', 'small', { cpuUs: 20 }, { cpuUs: 22 }), cell('roost', 'small', { cpuUs: 42 })],
    special: [],
    othersCores: 0.01,
    ...change,
  };
}
