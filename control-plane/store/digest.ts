import { createHash } from 'node:crypto';
import type { MeshServiceInput } from '../../src/model/mesh-service.js';

/** A digest of what a document says; the order in which it says so does not matter. */
export function digestOf(document: MeshServiceInput): string {
  const sorted = (_key: string, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return createHash('sha256').update(JSON.stringify(document, sorted)).digest('base64url');
}
