/**
 * As whom an edit is made. Where callers need no credentials there is none: then everything that a
 * document claims is approved with it.
 */
export interface Editor {
  /** An admin of all namespaces, or the operator's files: what their documents claim is granted with it. */
  readonly grants: boolean;
  /** Whether it may be told of a namespace. */
  sees(namespace: string): boolean;
  /** Whether some credential is for a namespace of this name. */
  isNamespace(name: string): boolean;
}

/** The operator's own files, where others need credentials. */
export const OPERATOR: Editor = { grants: true, sees: () => true, isNamespace: () => false };

/**
 * What becomes of the grant of a document that is put in force. `as-editor`: an admin of all namespaces grants what
 * it claims, everyone else leaves the grant as it is; `keep`: it stays as it is; `none`: it ends.
 */
export type GrantMode = 'as-editor' | 'keep' | 'none';
