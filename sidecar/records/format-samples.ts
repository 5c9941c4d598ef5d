import { formatTable } from '../../src/telemetry/text-table.js';
import type { Sample } from './request-samples.js';

const HEADER = ['TIME', 'STATUS', 'MS', 'REQUEST', 'ROUTE', 'SESSION', 'RELEASE', 'ENDPOINT', 'NOTES'];

/** Requests as a table for people, the newest first. */
export function formatSamples(samples: readonly Sample[]): string {
  return formatTable(HEADER, samples.map(rowOf));
}

function rowOf(sample: Sample): string[] {
  return [
    sample.time.slice(11, 23),
    String(sample.status),
    sample.durationMs.toFixed(1),
    `${sample.direction === 'inbound' ? '→ ' : ''}${sample.method ?? '?'} ${sample.host ?? ''}${sample.path ?? ''}`,
    sample.route ?? '-',
    joined(sample.keySource, sample.pin && `pin ${sample.pin}`),
    joined(sample.release, sample.reason),
    joined(sample.endpoint, sample.endpointReason),
    notesOf(sample),
  ];
}

function joined(what: string | undefined, why: string | undefined): string {
  if (what === undefined) return '-';
  return why === undefined ? what : `${what} (${why})`;
}

function notesOf({ retries, failedOverFrom, error, detail, flags }: Sample): string {
  const notes = [
    retries === undefined ? '' : `${retries} more attempt${retries === 1 ? '' : 's'}`,
    failedOverFrom === undefined ? '' : `instead of ${failedOverFrom}`,
    flags ?? '',
    error === undefined ? '' : `${error}${detail === undefined ? '' : `: ${detail}`}`,
  ];
  return notes.filter((note) => note !== '').join('; ');
}
