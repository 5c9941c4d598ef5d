/** Names of everything under a prefix. Numbers have leading zeros, so that keys are in their order. */
export class EtcdKeys {
  /** What is in force: the one key that every commit compares and writes. */
  readonly head: Buffer;

  constructor(private readonly prefix: string) {
    this.head = this.key('head');
  }

  /** One commit. */
  entry(revision: number): Buffer {
    return this.key(`log/${padded(revision)}`);
  }

  /** Pieces of what is too large for one value, in a folder of one writer's own. */
  part(folder: 'parts' | 'snapshots', revision: number, id: string, index: number): Buffer {
    return this.key(`${folder}/${padded(revision)}.${id}/${String(index).padStart(6, '0')}`);
  }

  /** All pieces of one. */
  partsOf(folder: 'parts' | 'snapshots', revision: number, id: string): KeyRange {
    return rangeOf(this.key(`${folder}/${padded(revision)}.${id}/`));
  }

  /** Everything of a folder up to a revision, this one not included. */
  before(folder: 'log' | 'parts' | 'snapshots', revision: number): KeyRange {
    return { key: this.key(`${folder}/`), rangeEnd: this.key(`${folder}/${padded(revision)}`) };
  }

  /** Commits after a revision. */
  entriesAfter(revision: number): KeyRange {
    return { key: this.entry(revision + 1), rangeEnd: rangeOf(this.key('log/')).rangeEnd };
  }

  replica(id: string): Buffer {
    return this.key(`replicas/${id}`);
  }

  get replicas(): KeyRange {
    return rangeOf(this.key('replicas/'));
  }

  private key(name: string): Buffer {
    return Buffer.from(`${this.prefix}/${name}`);
  }
}

export interface KeyRange {
  readonly key: Buffer;
  /** Not included. */
  readonly rangeEnd: Buffer;
}

/** Every key that begins with this one. */
function rangeOf(key: Buffer): KeyRange {
  const rangeEnd = Buffer.from(key);
  // Ends with a slash: its successor is the next character.
  rangeEnd[rangeEnd.length - 1] = (rangeEnd[rangeEnd.length - 1] as number) + 1;
  return { key, rangeEnd };
}

function padded(revision: number): string {
  return String(revision).padStart(16, '0');
}
