/** `exact`: means the same in Roost. `changes`: has a counterpart that differs. `none`: has no counterpart. */
export type Outcome = 'exact' | 'changes' | 'none';

export interface AnnotationRow {
  /** Without the prefix. */
  readonly names: readonly string[];
  readonly outcome: Outcome;
  /** The MeshService's field; empty where there is none. */
  readonly becomes: string;
  readonly note: string;
}

export function row(names: string, outcome: Outcome, becomes: string, note: string): AnnotationRow {
  return { names: names.split(' '), outcome, becomes, note };
}

export function none(names: string, note: string): AnnotationRow {
  return row(names, 'none', '', note);
}
