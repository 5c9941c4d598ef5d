import { type Document, LineCounter, parseAllDocuments } from 'yaml';
import { formatPath, type Path } from '../model/problems.js';
import { isNestedTooDeeply } from '../model/source-text.js';
import { syntaxProblems, TOO_DEEP } from '../model/yaml-nodes.js';
import { EditError, TextEditor } from './edit-text.js';
import { below, type Edit } from './edits.js';
import { injectPod } from './inject-pod.js';
import type { InjectSettings } from './settings.js';
import { uninjectPod } from './uninject-pod.js';
import { type ManifestObject, objectsOf } from './workloads.js';

/** What became of one object of a manifest. */
export interface ObjectReport {
  /** `Deployment shop/checkout` */
  readonly title: string;
  readonly outcome: 'injected' | 'uninjected' | 'left alone';
  /** Why it was left alone, or what to know of it. */
  readonly notes: readonly string[];
  /** Whether an operator may have expected something else. */
  readonly surprising: boolean;
}

/** A problem at its place in the text; lines and columns count from 1. */
export interface ManifestProblem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export interface ManifestResult {
  /** The whole text; the input where there are problems. */
  readonly text: string;
  readonly objects: readonly ObjectReport[];
  readonly problems: readonly ManifestProblem[];
}

/**
 * Adds a sidecar to every workload of a manifest. A workload that has one gets a new one, so that a second run changes
 * nothing, and a newer Roost or other settings come into force.
 */
export function injectManifest(text: string, settings: InjectSettings): ManifestResult {
  const original = uninjectManifest(text);
  if (original.problems.length > 0) return { ...original, text };
  const result = editManifest(original.text, ({ title, workload }) => {
    if (workload === undefined) return leftAlone(title, 'Roost knows no pod template in this kind', false);
    const outcome = injectPod(workload.template, workload.owner, settings);
    if (outcome.kind === 'refuse') return { problems: outcome.problems };
    if (outcome.kind === 'skip') return leftAlone(title, outcome.reason, outcome.surprising);
    const { edits, warnings } = outcome;
    return {
      edits,
      report: { title, outcome: 'injected', notes: warnings, surprising: warnings.length > 0 },
    };
  });
  return result.problems.length > 0 ? { ...result, text } : result;
}

/** Takes the sidecar out of every workload of a manifest. */
export function uninjectManifest(text: string): ManifestResult {
  return editManifest(text, ({ title, workload }) => {
    const edits = uninjectPod(workload?.template);
    if (edits.length === 0) return leftAlone(title, 'it has no sidecar of Roost', false);
    return { edits, report: { title, outcome: 'uninjected', notes: [], surprising: false } };
  });
}

type Decision =
  | { readonly edits: readonly Edit[]; readonly report: ObjectReport }
  | { readonly problems: readonly { readonly path: Path; readonly message: string }[] };

function leftAlone(title: string, note: string, surprising: boolean): Decision {
  return { edits: [], report: { title, outcome: 'left alone', notes: [note], surprising } };
}

/** So that a few lines of aliases do not become gigabytes. */
const MAX_ALIASES = 1000;

function editManifest(text: string, decide: (object: ManifestObject) => Decision): ManifestResult {
  const lines = new LineCounter();
  const editor = new TextEditor(text);
  const objects: ObjectReport[] = [];
  const problems: ManifestProblem[] = [];
  for (const document of parse(text, lines, problems)) {
    const place = (path: Path) => lines.linePos(offsetOf(document, path));
    const report = (path: Path, message: string) => {
      const { line, col } = place(path);
      problems.push({ line, column: col, message });
    };
    for (const object of readObjects(document, report)) {
      const decision = decide(object);
      const prefix = object.workload?.path ?? object.path;
      if ('problems' in decision) {
        for (const { path, message } of decision.problems)
          report([...prefix, ...path], `${object.title}: ${formatPath([...prefix, ...path])}: ${message}`);
        continue;
      }
      objects.push(decision.report);
      tryEdit(editor, document, below(prefix, decision.edits), (path, message) =>
        report(path, `${object.title}: ${formatPath(path)}: ${message}`),
      );
    }
  }
  return { text: problems.length > 0 ? text : editor.result(), objects, problems };
}

type Report = (path: Path, message: string) => void;

function tryEdit(
  editor: TextEditor,
  document: Document.Parsed,
  edits: readonly Edit[],
  report: Report,
): void {
  try {
    editor.edit(document, edits);
  } catch (error) {
    if (!(error instanceof EditError)) throw error;
    report(error.path, error.message);
  }
}

/** Documents without syntax errors; what is wrong with the others joins the problems. */
function parse(text: string, lines: LineCounter, problems: ManifestProblem[]): Document.Parsed[] {
  // Kubernetes reads YAML 1.1, which merges keys; syntaxProblems finds keys that are there twice.
  const options = {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    merge: true,
    logLevel: 'silent',
  } as const;
  const tooDeep = { line: 1, column: 1, message: `is not valid YAML: ${TOO_DEEP}` };
  if (isNestedTooDeeply(text)) {
    problems.push(tooDeep);
    return [];
  }
  try {
    return [...parseAllDocuments(text, options)].filter((document): document is Document.Parsed => {
      if (!('contents' in document) || document.contents === null) return false;
      const found = syntaxProblems(document);
      for (const { offset, message } of found) {
        const { line, col } = lines.linePos(offset);
        problems.push({ line, column: col, message: `is not valid YAML: ${message}` });
      }
      return found.length === 0;
    });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    problems.push(tooDeep);
    return [];
  }
}

function readObjects(document: Document.Parsed, report: Report): ManifestObject[] {
  try {
    return objectsOf(document.toJS({ maxAliasCount: MAX_ALIASES }));
  } catch (error) {
    report([], `is not valid YAML: ${(error as Error).message}`);
    return [];
  }
}

/** Of the node at a path, or of the nearest one around it that is written. */
function offsetOf(document: Document.Parsed, path: Path): number {
  for (let depth = path.length; depth >= 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true) as
      | { readonly range?: readonly number[] }
      | undefined;
    const start = node?.range?.[0];
    if (start !== undefined) return start;
  }
  return 0;
}
