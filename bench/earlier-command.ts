import { type EarlierVersion, versionAt, versionBefore } from '../test/support/earlier-version.js';

/**
 * Builds an earlier version; its folder is removed when this process ends.
 *
 * @param from a commit that git knows, or the file before whose addition it was
 * @returns its command
 * @throws Error where the git history does not reach that far
 */
export function buildEarlier(
  from: { readonly commit: string } | { readonly before: string },
): Promise<string> {
  const version: EarlierVersion = 'commit' in from ? versionAt(from.commit) : versionBefore(from.before);
  if (version.skip !== false) throw new Error(version.skip);
  return version.build({ teardown: (undo) => process.once('beforeExit', () => void undo()) });
}
