import type { Path } from './problems.js';
import type { ParsedYaml, SourceDocument } from './yaml-source.js';

/** `kubectl get -o yaml` and its like put several objects into one document. */
const LISTS: readonly unknown[] = ['List', 'MeshServiceList'];

/** Puts the items of a document that is a list in the document's place. */
export function unfoldLists({ documents, problems }: ParsedYaml): ParsedYaml {
  const unfolded = documents.map(unfold);
  return {
    documents: unfolded.flatMap((each) => each.documents),
    problems: [...problems, ...unfolded.flatMap((each) => each.problems)],
  };
}

function unfold(document: SourceDocument): ParsedYaml {
  const { kind, items } = (document.value ?? {}) as { readonly kind?: unknown; readonly items?: unknown };
  if (!LISTS.includes(kind)) return { documents: [document], problems: [] };
  if (Array.isArray(items))
    return unfoldLists({ documents: items.map((item, i) => itemOf(document, item, i)), problems: [] });
  const path = ['items'];
  const message = `is required of a ${kind}: a list of MeshServices`;
  return { documents: [], problems: [{ file: document.file, ...document.locate(path), path, message }] };
}

function itemOf(document: SourceDocument, value: unknown, index: number): SourceDocument {
  const inDocument = (path: Path) => ['items', index, ...path];
  return {
    file: document.file,
    value,
    locate: (path) => document.locate(inDocument(path)),
    plainNumbers: () =>
      document
        .plainNumbers()
        .filter(({ path }) => path[0] === 'items' && path[1] === index)
        .map(({ path, source }) => ({ path: path.slice(2), source })),
  };
}
