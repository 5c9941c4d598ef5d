import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type LocatedProblem, parseYaml, type SourceDocument } from './yaml-source.js';

const EXTENSIONS = ['.yaml', '.yml', '.json'];

/**
 * The files that a list of files and folders stands for: a folder's YAML and JSON files, its subfolders' too,
 * by name. Hidden ones are left out.
 */
export function listFiles(paths: readonly string[]): string[] {
  return paths.flatMap((path) => (statSync(path).isDirectory() ? listFolder(path) : [path]));
}

function listFolder(folder: string): string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    if (entry.name.startsWith('.')) return [];
    const path = join(folder, entry.name);
    if (isFolder(entry, path)) return listFolder(path);
    return EXTENSIONS.some((extension) => entry.name.endsWith(extension)) ? [path] : [];
  });
}

function isFolder(entry: Dirent, path: string): boolean {
  return entry.isSymbolicLink() ? statSync(path).isDirectory() : entry.isDirectory();
}

/** Reads and parses every file; a file that cannot be read is a problem like any other. */
export function readFiles(paths: readonly string[]): {
  documents: SourceDocument[];
  problems: LocatedProblem[];
} {
  const documents: SourceDocument[] = [];
  const problems: LocatedProblem[] = [];
  for (const file of expand(paths, problems)) {
    const read = attempt(file, problems, () => parseYaml(file, readFileSync(file, 'utf8')));
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
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'there is no such file or folder' : `cannot be read: ${message}`;
    problems.push({ file, line: 1, column: 1, path: [], message: why });
    return undefined;
  }
}
