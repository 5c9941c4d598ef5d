/** How the names that are wanted have changed. */
export interface NameChanges {
  readonly added: readonly string[];
  readonly dropped: readonly string[];
}

/** Names that are wanted for as long as something refers to them. */
export class ReferencedNames {
  private readonly references = new Map<string, number>();
  /** Names that have been touched since the changes were taken last, and whether they were wanted then. */
  private readonly touched = new Map<string, boolean>();

  has(name: string): boolean {
    return this.references.has(name);
  }

  names(): Iterable<string> {
    return this.references.keys();
  }

  add(name: string): void {
    const count = this.references.get(name) ?? 0;
    if (count === 0 && !this.touched.has(name)) this.touched.set(name, false);
    this.references.set(name, count + 1);
  }

  /** One reference less. */
  release(name: string): void {
    const count = this.references.get(name) ?? 0;
    if (count > 1) this.references.set(name, count - 1);
    else if (this.references.delete(name) && !this.touched.has(name)) this.touched.set(name, true);
  }

  /** What has come and gone since this was last asked; what came and went again is neither. */
  takeChanges(): NameChanges {
    const added: string[] = [];
    const dropped: string[] = [];
    for (const [name, was] of this.touched) {
      if (was && !this.has(name)) dropped.push(name);
      if (!was && this.has(name)) added.push(name);
    }
    this.touched.clear();
    return { added, dropped };
  }
}
