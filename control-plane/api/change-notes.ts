import { formatAuthor } from '../../src/model/author.js';
import { commandName, parseMeshService, type ServiceKey } from '../../src/model/mesh-service.js';
import { ledElsewhere } from '../../src/model/operations.js';
import type { MeshServiceInput } from '../../src/model/schema.js';
import type { Configuration } from '../store/configuration.js';
import type { Commit } from '../store/edit.js';
import type { ServiceChange } from '../store/history.js';

/** What is said of a change beside its revision: what it has not done, although its name may sound so. */

/** Changed services that a file declares: they are changed for as long as the file says nothing new. */
export function fileNotes({ changed }: Commit, { services }: Configuration): string[] {
  return [...changed].sort().flatMap((key) => {
    const file = services.get(key)?.record.source?.file;
    return file === undefined
      ? []
      : [`${key} is declared in ${file}: this change ends when that document changes in its file`];
  });
}

/**
 * Requests that go on reaching other releases although a promotion or an abort has given all splits to `stable`.
 *
 * @param remedy what ends it for labels; none: nothing that can be named
 */
export function elsewhereNotes(document: MeshServiceInput, remedy?: string): string[] {
  const { stable } = parseMeshService(document).spec;
  const { labels, mirrors } = ledElsewhere(document);
  const end = remedy === undefined ? '' : `; ${remedy}`;
  return [
    ...(labels.length === 0 ? [] : [`still led elsewhere than ${stable}: ${labels.join(', ')}${end}`]),
    ...(mirrors.length === 0 ? [] : [`still mirrored: ${mirrors.join(', ')}`]),
  ];
}

/** After an abort that changed nothing: the promotion that made `stable` what it is, and what takes it back. */
export function promotionNotes(key: ServiceKey, history: readonly ServiceChange[]): string[] {
  const promotion = history.find(
    ({ before, after }) => before && after && stableOf(before.document) !== stableOf(after),
  );
  if (!promotion?.before || promotion.after === null) return [];
  const { revision, action, by, before, after } = promotion;
  const to = promotion === history[0] ? '' : ` --to ${before.revision}`;
  return [
    `${stableOf(after)} is stable since revision ${revision} ("${action}" by ${formatAuthor(by) || 'an unknown author'}), and has all traffic; ` +
      `back to ${stableOf(before.document)}: roost undo ${commandName(key)}${to}`,
  ];
}

function stableOf({ spec }: MeshServiceInput): string {
  return spec.stable ?? spec.versions[0]?.name ?? '';
}
