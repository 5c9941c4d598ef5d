import type { Problem } from '../model/problems.js';

/** What the control plane said of documents that it refused, by the document's index. */
export class RejectedDocumentsError extends Error {
  constructor(
    readonly problems: readonly (Problem & { readonly document: number })[],
    /** How many more there are. */
    readonly more: number,
  ) {
    super('the control plane refused the configuration');
    this.name = 'RejectedDocumentsError';
  }
}
