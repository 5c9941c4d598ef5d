import { type Dirent, readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { readBoundedFile, UnreadableFileError } from '../lifecycle/bounded-file.js';
import { type LocatedProblem, MAX_FILE_BYTES, parseYaml, type SourceDocument } from './yaml-source.js';

const EXTENSIONS = ['.yaml', '.yml', '.json'];

/**
 * The files that a list of files and folders stands for: a folder's YAML and JSON files, its subfolders' too,
 * by name. Hidden ones are left out. A file that is named twice is there once.
 */
export function listFiles(paths: readonly string[]): string[] {
  return [...new Set(paths.flatMap((path) => (statSync(path).isDirectory() ? listFolder(path) : [path])))];
}

/** @param above the folders that this one is in, to stop where a link leads back to one of them */
function listFolder(folder: string, above: readonly string[] = []): string[] {
  const real = realpathSync(folder);
  if (above.includes(real)) return [];
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    if (entry.name.startsWith('.')) return [];
    const path = join(folder, entry.name);
    if (isFolder(entry, path)) return listFolder(path, [...above, real]);
    return EXTENSIONS.some((extension) => entry.name.endsWith(extension)) ? [path] : [];
  });
}

/** A link that leads nowhere is no folder; reading it as a file will say what is wrong with it. */
function isFolder(entry: Dirent, path: string): boolean {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  const target: Stats | undefined = statSync(path, { throwIfNoEntry: false });
  return target?.isDirectory() === true;
}

/**
 * Reads and parses every file; a file that cannot be read is a problem like any other.
 *
 * @param options whether pipes are read, too, where the user has named them on purpose
 */
export function readFiles(
  paths: readonly string[],
  options: { readonly pipes?: boolean } = {},
): {
  documents: SourceDocument[];
  problems: LocatedProblem[];
} {
  const documents: SourceDocument[] = [];
  const problems: LocatedProblem[] = [];
  for (const file of new Set(expand(paths, problems))) {
    const pipes = options.pipes === true && paths.includes(file);
    const read = attempt(file, problems, () =>
      parseYaml(file, readBoundedFile(file, { maxBytes: MAX_FILE_BYTES, pipes })),
    );
    if (read === undefined) continue;
    documents.push(...read.documents);
    problems.push(...read.problems);
  }
  return { documents, problems };
}

function expand(paths: readonly string[], problems: LocatedProblem[]): string[] {
  return paths.flatMap((path) => attempt(path, problems, () => listFiles([path])) ?? []);
}

function attempt<T>(file: string, problems: LocatedProblem[], work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    problems.push({ file, line: 1, column: 1, path: [], message: reasonOf(error as NodeJS.ErrnoException) });
    return undefined;
  }
}

function reasonOf(error: NodeJS.ErrnoException): string {
  if (error instanceof UnreadableFileError) return error.message;
  const { code, message } = error;
  switch (code) {
    case 'ENOENT':
      return 'file or folder not found';
    case 'ELOOP':
      return 'is a symbolic link that leads to itself';
    default:
      return `cannot be read: ${message}`;
  }
}
