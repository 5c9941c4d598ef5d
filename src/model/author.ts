/** Who made a change, as far as the control plane knows. */
export interface Author {
  /** `api`: a call to the API; `files`: the configuration files; `unknown`: from before authors were kept. */
  readonly origin: 'api' | 'files' | 'unknown';
  /** Of a call: its credential's name; where none is asked for, who the caller says it is, which is not checked. */
  readonly name: string;
  /** Of a call: the address that it came from. */
  readonly peer: string;
}

/** Of changes from before authors were kept. */
export const NOBODY: Author = { origin: 'unknown', name: '', peer: '' };
/** The configuration files. */
export const FILES: Author = { origin: 'files', name: '', peer: '' };

/** `ann (10.0.0.3)`, `(10.0.0.3)`, `files`, `unknown` */
export function formatAuthor({ origin, name, peer }: Author): string {
  if (origin !== 'api') return origin;
  return [name, peer === '' ? '' : `(${peer})`].filter((part) => part !== '').join(' ');
}
