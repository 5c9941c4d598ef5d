import { LONGEST_TIMER, LONGEST_TIMER_MS } from '../model/formats.js';
import type { Path } from '../model/problems.js';
import { ANNOTATION_PREFIX, findAnnotation, READ_ON_CANARY } from './annotation-table.js';
import type { IngressObject } from './manifests.js';
import type { Manifest } from './read-manifests.js';
import type { Remark, ReportBuilder } from './report.js';

const LONGEST_TIMER_S = LONGEST_TIMER_MS / 1000;

/** Other annotations that say nothing of routing and are written by tools, not by people. */
const BOOKKEEPING =
  /^(kubectl\.kubernetes\.io\/|kubernetes\.io\/(change-cause|description)|meta\.helm\.sh\/)/;

/** Annotations of which each part is reported where it is read. */
const IN_PARTS: ReadonlySet<string> = new Set(['server-alias']);

/**
 * One Ingress while it is imported: its annotations are read through here, so that each is accounted for once, by
 * what the table says of it unless a reader has said something more precise.
 */
export class Ingress {
  private readonly remarks = new Map<string, Partial<Remark>>();
  private readonly refused = new Set<string>();

  constructor(
    readonly manifest: Manifest<IngressObject>,
    private readonly report: ReportBuilder,
  ) {}

  get isCanary(): boolean {
    return this.flag('canary') === true;
  }

  /** Undefined where it is absent or empty, which ingress-nginx takes for the same. */
  text(name: string): string | undefined {
    const value = this.manifest.value.metadata.annotations?.[ANNOTATION_PREFIX + name]?.trim();
    return value === '' ? undefined : value;
  }

  /** The spellings of Go's ParseBool. */
  flag(name: string): boolean | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (/^(1|t|T|true|TRUE|True)$/.test(value)) return true;
    if (!/^(0|f|F|false|FALSE|False)$/.test(value))
      this.refuseAnnotation(name, `"${value}" is neither true nor false; ingress-nginx takes it for false`);
    return false;
  }

  /** @param what is said of a value that is none; the annotation is then left out */
  wholeNumber(name: string, what: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    if (/^[+-]?\d{1,15}$/.test(value)) return Number(value);
    this.refuseAnnotation(name, `"${value}" is not a whole number; ${what}`);
    return undefined;
  }

  /** Seconds that something waits for; more than a sidecar waits for anything is the most that it does. */
  timerSeconds(name: string, what: string): number | undefined {
    const seconds = this.wholeNumber(name, what);
    if (seconds === undefined || seconds <= LONGEST_TIMER_S) return seconds;
    this.remark(name, { outcome: 'changes', note: `${LONGEST_TIMER}, the longest that a sidecar waits` });
    return LONGEST_TIMER_S;
  }

  /** Says something more precise of an annotation than the table does. */
  remark(name: string, remark: Partial<Remark>): void {
    if (!this.remarks.has(name)) this.remarks.set(name, remark);
  }

  /** Names an annotation that is left out because it is wrong. */
  refuseAnnotation(name: string, message: string): void {
    if (this.refused.has(name)) return;
    this.refused.add(name);
    this.report.refuse(this.manifest, annotationPath(name), message);
  }

  refuse(path: Path, message: string): void {
    this.report.refuse(this.manifest, path, message);
  }

  /** Says what became of a field of the Ingress. */
  find(path: Path, field: string, value: string, remark: Remark): void {
    this.report.find(this.manifest, path, field, value, remark);
  }

  /** Accounts for every annotation; to be called once, when all else is done. */
  reportAnnotations(): void {
    for (const [key, value] of Object.entries(this.manifest.value.metadata.annotations ?? {})) {
      const name = key.startsWith(ANNOTATION_PREFIX) ? key.slice(ANNOTATION_PREFIX.length) : undefined;
      if (name === undefined ? BOOKKEEPING.test(key) : this.refused.has(name) || IN_PARTS.has(name)) continue;
      const remark = name === undefined ? remarkOnForeign(key) : this.remarkOn(name);
      this.find(['metadata', 'annotations', key], name ?? key, value, remark);
    }
  }

  private remarkOn(name: string): Remark {
    const known = findAnnotation(name);
    if (known === undefined) return { outcome: 'none', note: 'no annotation that the import knows' };
    if (this.isCanary && !READ_ON_CANARY.has(name))
      return { outcome: 'exact', note: "has no effect on a canary, there or here: the primary's counts" };
    const { outcome, becomes, note } = known;
    return { outcome, becomes, note, ...this.remarks.get(name) };
  }
}

/** Said where an Ingress chooses its controller. */
export const NO_CLASS = 'no controller is chosen: callers reach the service through their own sidecar';

function remarkOnForeign(key: string): Remark {
  const note = key === 'kubernetes.io/ingress.class' ? NO_CLASS : 'not an annotation of ingress-nginx';
  return { outcome: 'none', note };
}

export function annotationPath(name: string): Path {
  return ['metadata', 'annotations', ANNOTATION_PREFIX + name];
}
