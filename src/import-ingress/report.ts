import type { Path } from '../model/problems.js';
import type { LocatedProblem } from '../model/yaml-source.js';
import type { Outcome } from './annotation-row.js';
import type { Manifest } from './read-manifests.js';

/** What became of one annotation or field. */
export interface Finding {
  /** `Ingress shop/checkout` */
  readonly object: string;
  readonly file: string;
  readonly line: number;
  /** An annotation's name, or a field's path: `spec.rules[0].host`. */
  readonly field: string;
  readonly value: string;
  readonly outcome: Outcome;
  /** The MeshService's field; empty where there is none. */
  readonly becomes: string;
  readonly note: string;
}

/** An object that nothing was read from. */
export interface IgnoredObject {
  readonly object: string;
  readonly file: string;
  readonly line: number;
  readonly reason: string;
}

/** A MeshService that came out, and what it was made of. */
export interface ImportedService {
  /** `shop/checkout` */
  readonly key: string;
  /** Ingresses, in the order of their age. */
  readonly from: readonly string[];
  /** What its operator should know. */
  readonly notes: readonly string[];
}

export interface ImportReport {
  readonly services: readonly ImportedService[];
  readonly findings: readonly Finding[];
  /** Parts that were left out because they are wrong, or because Roost cannot do what they ask. */
  readonly refused: readonly LocatedProblem[];
  readonly ignored: readonly IgnoredObject[];
}

export interface Remark {
  readonly outcome: Outcome;
  readonly becomes?: string;
  readonly note: string;
}

/** Longest value that the report repeats. */
const VALUE_LENGTH = 80;
/** Longest message: it may quote a value of any length. */
const MESSAGE_LENGTH = 1000;

/** Collects what is said of the manifests while they are translated. */
export class ReportBuilder {
  readonly services: ImportedService[] = [];
  private readonly findings: Finding[] = [];
  private readonly refused: LocatedProblem[] = [];
  private readonly ignored: IgnoredObject[] = [];

  find(manifest: Manifest, path: Path, field: string, value: string, remark: Remark): void {
    const { line } = manifest.locate(path);
    const { outcome, becomes = '', note } = remark;
    const { object, file } = manifest;
    this.findings.push({
      object,
      file,
      line,
      field,
      value: cut(value, VALUE_LENGTH),
      outcome,
      becomes,
      note,
    });
  }

  refuse(manifest: Manifest, path: Path, message: string): void {
    this.refused.push({
      file: manifest.file,
      ...manifest.locate(path),
      path: manifest.pathInFile(path),
      message: `${manifest.object}: ${cut(message, MESSAGE_LENGTH)}`,
    });
  }

  addRefused(problems: readonly LocatedProblem[]): void {
    this.refused.push(...problems);
  }

  ignore(manifest: Pick<Manifest, 'object' | 'file' | 'locate'>, reason: string): void {
    const { object, file } = manifest;
    this.ignored.push({ object, file, line: manifest.locate([]).line, reason });
  }

  /** Everything said so far, in the order of the files. */
  build(fileOrder: readonly string[]): ImportReport {
    const rank = new Map(fileOrder.map((file, i) => [file, i]));
    const byPlace = (a: { file: string; line: number }, b: { file: string; line: number }) =>
      (rank.get(a.file) ?? 0) - (rank.get(b.file) ?? 0) || a.line - b.line;
    return {
      services: this.services,
      findings: this.findings.toSorted(byPlace),
      refused: this.refused.toSorted(byPlace),
      ignored: this.ignored.toSorted(byPlace),
    };
  }
}

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
