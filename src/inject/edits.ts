import type { Path } from '../model/problems.js';

/**
 * One change to a document. Every path is a path of the document before any change, so edits do not depend on their
 * order, and one list serves two writers: {@link toJsonPatch} for the API server, `edit-text.ts` for YAML files.
 */
export type Edit =
  /** Adds a member to a map that exists and lacks it, or whose member is null. */
  | { readonly op: 'set'; readonly path: Path; readonly key: string; readonly value: unknown }
  /** Adds items to a list that exists. */
  | {
      readonly op: 'insert';
      readonly path: Path;
      readonly at: 'first' | 'last';
      readonly values: readonly unknown[];
    }
  /** Puts another member in the place of one. */
  | {
      readonly op: 'exchange';
      readonly path: Path;
      readonly key: string;
      readonly newKey: string;
      readonly value: unknown;
    }
  /** Takes away a member of a map or an item of a list. */
  | { readonly op: 'remove'; readonly path: Path };

/** The same edits for a document that stands at `prefix` of a larger one. */
export function below(prefix: Path, edits: readonly Edit[]): Edit[] {
  return edits.map((edit) => ({ ...edit, path: [...prefix, ...edit.path] }));
}

/** An operation of JSON Patch (RFC 6902). */
export interface PatchOperation {
  readonly op: 'add' | 'remove';
  /** A JSON pointer (RFC 6901). */
  readonly path: string;
  readonly value?: unknown;
}

/**
 * Edits as a JSON Patch, which counts items of lists as they are by then: removals must be given from the last to the
 * first, and what changes items before what is put in front of them.
 */
export function toJsonPatch(edits: readonly Edit[]): PatchOperation[] {
  return edits.flatMap(toOperations);
}

function toOperations(edit: Edit): PatchOperation[] {
  switch (edit.op) {
    case 'set':
      return [{ op: 'add', path: pointer([...edit.path, edit.key]), value: edit.value }];
    case 'insert':
      return edit.values.map((value, i) => ({
        op: 'add',
        path: pointer([...edit.path, edit.at === 'first' ? i : '-']),
        value,
      }));
    case 'exchange':
      return [
        { op: 'remove', path: pointer([...edit.path, edit.key]) },
        { op: 'add', path: pointer([...edit.path, edit.newKey]), value: edit.value },
      ];
    case 'remove':
      return [{ op: 'remove', path: pointer(edit.path) }];
  }
}

function pointer(path: Path): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
