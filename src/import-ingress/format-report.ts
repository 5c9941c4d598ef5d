import { formatLocated } from '../model/yaml-source.js';
import type { Outcome } from './annotation-row.js';
import type { Finding, ImportReport } from './report.js';

const OUTCOMES: Readonly<Record<Outcome, string>> = {
  exact: 'maps exactly',
  changes: 'changes meaning',
  none: 'has no counterpart',
};

/** The report for people: what came out, then object by object what became of it, then what was left out. */
export function formatReport(report: ImportReport): string {
  const { services, findings, refused, ignored } = report;
  const sections = [
    services.flatMap(({ key, from, notes }) => [
      `MeshService ${key}, from Ingress ${from.join(', ')}`,
      ...notes.map((note) => `  ${note}`),
    ]),
    ...[...byObject(findings)].map(([object, ofObject]) => formatObject(object, ofObject)),
    section('left out:', refused.map(formatLocated)),
    section(
      'ignored:',
      ignored.map(({ object, file, line, reason }) => `${file}:${line}: ${object}: ${reason}`),
    ),
    [summary(report)],
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

function byObject(findings: readonly Finding[]): Map<string, Finding[]> {
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const group = groups.get(finding.object);
    if (group) group.push(finding);
    else groups.set(finding.object, [finding]);
  }
  return groups;
}

function formatObject(object: string, findings: readonly Finding[]): string[] {
  const lines = (Object.keys(OUTCOMES) as Outcome[]).flatMap((outcome) => {
    const of = findings.filter((finding) => finding.outcome === outcome);
    return of.length === 0 ? [] : [`  ${OUTCOMES[outcome]}:`, ...of.map(formatFinding)];
  });
  return [`${object} (${findings[0]?.file}:${findings[0]?.line})`, ...lines];
}

function formatFinding({ field, value, becomes, note }: Finding): string {
  const given = value === '' ? field : `${field}: ${value}`;
  return `    ${given}${becomes === '' ? '' : ` → ${becomes}`}: ${note}`;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
}

function summary({ services, findings, refused, ignored }: ImportReport): string {
  const number = (outcome: Outcome) => findings.filter((finding) => finding.outcome === outcome).length;
  const found = `${number('exact')} map exactly, ${number('changes')} change meaning, ${number('none')} have no counterpart`;
  return `services: ${services.length}; ${found}; ${refused.length} left out, ${ignored.length} ignored`;
}
