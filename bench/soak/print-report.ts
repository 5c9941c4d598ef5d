import { textTable } from '../report/text-table.js';
import { growthText, type SoakReport, sum } from './report.js';

const WORD = { kept: 'kept', broken: 'BROKEN', unjudged: 'not judged' } as const;

/** The report for people. */
export function formatReport(report: SoakReport): string {
  const { machine, saturation } = report;
  const measured =
    saturation === undefined
      ? ''
      : `; saturation ${whole(saturation.rate)}/s with the sidecar on ${saturation.busyCores.toFixed(2)} of a core`;
  const broken = report.promises.filter(({ verdict }) => verdict === 'broken');
  const verdict =
    broken.length === 0 ? 'Every promise that was judged was kept.' : `${broken.length} broken.`;
  const details = report.details.map((detail) => `  ${detail}\n`).join('');
  return `
${machine.cores} cores of ${machine.cpu}, ${machine.system}, Node ${report.node}, commit ${report.commit}; ${report.placement}
${whole(report.seconds)} s at ${whole(report.rate)} requests/s (${report.rateBasis}${measured}); seed ${report.seed}${report.tls ? '; TLS to the backends' : ''}

${textTable(loadRows(report))}

${textTable(sidecarRows(report))}

${textTable([['promise', 'found', 'verdict'], ...report.promises.map((p) => [p.promise, p.found, WORD[p.verdict]])])}

${details}${verdict}
`;
}

function loadRows({ load, sessions, disturbances }: SoakReport): string[][] {
  const failed = sum(load.savable) + sum(load.lost) + sum(load.unexplained);
  const causes = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts).map(([cause, n]) => [`    ${cause}`, whole(n)]);
  return [
    ['requests', whole(load.requests)],
    ...Object.entries(load.kinds).map(([kind, n]) => [`  ${kind}`, whole(n)]),
    ['answered', whole(load.answered)],
    ['clients that left, as meant', whole(load.left)],
    ['failed', whole(failed)],
    ['  no retry was allowed to save', whole(sum(load.lost))],
    ...causes(load.lost),
    ['  a retry was allowed to save', whole(sum(load.savable))],
    ...causes(load.savable),
    ['  unexplained', whole(sum(load.unexplained))],
    ...causes(load.unexplained),
    ['due but not sent: the driver did not keep up', whole(load.notSent)],
    ['answers to sessions that were known', whole(sessions.judged)],
    ['  flips', whole(sessions.flips)],
    ['  hops with a cause', whole(sessions.hopsWithCause)],
    ['  hops without', whole(sessions.hopsWithoutCause)],
    ['pods killed and restarted', whole(disturbances.kills)],
    ['pods taken out of the configuration', whole(disturbances.removals)],
    ['changes of the configuration', whole(disturbances.changes)],
    ['answered within, ms: 50 % · 99 % · 99.9 %', Object.values(load.latencyMs).join(' · ')],
  ];
}

function sidecarRows(report: SoakReport): string[][] {
  const { sidecar, eventLoop, othersCores } = report;
  const others = (cores: number | undefined) => (cores === undefined ? 'unknown' : cores.toFixed(2));
  return [
    [`the sidecar, after ${whole(report.warmUpSeconds)} s`, 'first third → last, slope'],
    ['resident memory', growthText(report.memory, 'memory')],
    ['open descriptors', growthText(report.descriptors, 'descriptors')],
    ['cores busy', report.busyCores.toFixed(2)],
    ['cores that others kept busy', others(othersCores)],
    ['event loop late by at most, ms: 99 % · all', `${eventLoop.p99Ms} · ${eventLoop.maxMs}`],
    ['stalls over 100 ms, of turns', `${whole(eventLoop.stalls)} of ${whole(eventLoop.turns)}`],
    ['  cores that others kept busy then', eventLoop.stalls === 0 ? '–' : others(eventLoop.othersCoresThen)],
    ['retries', whole(sidecar.retries)],
    ['connections that were not made', whole(sidecar.connectFailures)],
    ['connections that broke with a request on them', whole(sidecar.upstreamResets)],
    ['retries that the budget refused', whole(sidecar.retriesRefused)],
  ];
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
