import type { PatchOperation } from '../../src/inject/edits.js';

/** Applies a JSON Patch (RFC 6902; add and remove) to a value, in place. @throws where a path does not exist */
export function applyJsonPatch(target: unknown, operations: readonly PatchOperation[]): void {
  for (const { op, path, value } of operations) {
    const steps = path
      .split('/')
      .slice(1)
      .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = steps.pop() as string;
    const parent = steps.reduce<unknown>((at, step) => (at as Record<string, unknown>)[step], target);
    if (typeof parent !== 'object' || parent === null) throw new Error(`${path}: no parent`);
    if (Array.isArray(parent)) changeList(parent, op, last === '-' ? parent.length : Number(last), value);
    else if (op === 'add') (parent as Record<string, unknown>)[last] = value;
    else if (!Object.hasOwn(parent, last)) throw new Error(`${path}: nothing to remove`);
    else delete (parent as Record<string, unknown>)[last];
  }
}

function changeList(list: unknown[], op: PatchOperation['op'], index: number, value: unknown): void {
  if (!(index >= 0 && index <= list.length)) throw new Error(`${index}: not an index of the list`);
  if (op === 'add') list.splice(index, 0, structuredClone(value));
  else list.splice(index, 1);
}
