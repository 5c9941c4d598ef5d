import { statSync } from 'node:fs';
import type { ServiceKey } from '../../src/model/mesh-service.js';
import type { Problem } from '../../src/model/problems.js';
import { listFiles, readFiles } from '../../src/model/read-files.js';
import type { MeshServiceInput } from '../../src/model/schema.js';
import { formatLocated, type LocatedProblem, type SourceDocument } from '../../src/model/yaml-source.js';
import type { Logger } from '../../src/telemetry/logger.js';
import { type ConfigStore, digestOf, RejectedError } from '../store/config-store.js';

const POLL_INTERVAL_MS = 500;

/**
 * Keeps the configuration at what a set of files says. Files are looked at twice a second (which works on every
 * file system, mounted volumes and symbolic links included). All files are applied together or not at all: one
 * that is broken leaves everything as it was.
 */
export class FileSource {
  private signature = '';
  private timer: NodeJS.Timeout | undefined;
  private found: readonly string[] = [];

  constructor(
    private readonly paths: readonly string[],
    private readonly store: ConfigStore,
    private readonly log: Logger,
  ) {}

  /** What keeps the files from being in force: each problem with its file and line. Empty: nothing. */
  get problems(): readonly string[] {
    return this.found;
  }

  /** Applies the files as they are. Afterwards {@link problems} tells whether that worked. */
  async load(): Promise<void> {
    this.signature = this.look();
    const { documents, problems } = readFiles(this.paths);
    this.found = (problems.length > 0 ? problems : await this.apply(documents)).map(formatLocated);
  }

  watch(): void {
    this.timer = setInterval(() => void this.poll(), POLL_INTERVAL_MS).unref();
  }

  close(): void {
    clearInterval(this.timer);
  }

  private async poll(): Promise<void> {
    if (this.look() === this.signature) return;
    try {
      await this.load();
    } catch (error) {
      this.log.error({ err: error }, 'the configuration files could not be applied; trying again');
      this.signature = '';
      return;
    }
    if (this.problems.length === 0) this.log.info('configuration files applied');
    else
      this.log.error(
        { problems: this.problems },
        'the configuration files are not valid; the previous configuration stays',
      );
  }

  /** Changes whenever a file is added, removed or written. */
  private look(): string {
    try {
      return listFiles(this.paths)
        .map((file) => {
          const { mtimeMs, size, ino } = statSync(file);
          return `${file} ${mtimeMs} ${size} ${ino}`;
        })
        .join('\n');
    } catch (error) {
      return `unreadable: ${(error as Error).message}`;
    }
  }

  /** @returns what is wrong; empty where everything is in force. */
  private async apply(documents: readonly SourceDocument[]): Promise<readonly LocatedProblem[]> {
    const repeated = findRepeated(documents);
    if (repeated.length > 0) return repeated;
    // A document that its file has not changed leaves alone what the API made of the service since.
    const news = documents.filter((document) => this.hasNews(document));
    try {
      await this.store.edit({
        documents: news.map(inputOf),
        sources: news.map(markOf),
        deleted: this.removedFrom(documents),
      });
      return [];
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error;
      return [...error.problems].flatMap(([i, problems]) =>
        problems.map((problem) => locate(news[i] as SourceDocument, problem)),
      );
    }
  }

  private hasNews(document: SourceDocument): boolean {
    const key = keyOf(document);
    const known = key === undefined ? undefined : this.store.current.services.get(key)?.record.source;
    const { file, digest } = markOf(document);
    return known?.file !== file || known.digest !== digest;
  }

  /** Services that a file declared and none does now. */
  private removedFrom(documents: readonly SourceDocument[]): ServiceKey[] {
    const declared = new Set(documents.map(keyOf));
    return [...this.store.current.services]
      .filter(([key, { record }]) => record.source !== undefined && !declared.has(key))
      .map(([key]) => key);
  }
}

const inputOf = ({ value }: SourceDocument) => value as MeshServiceInput;
const markOf = (document: SourceDocument) => ({ file: document.file, digest: digestOf(inputOf(document)) });
const locate = (document: SourceDocument, problem: Problem) => ({
  ...problem,
  file: document.file,
  ...document.locate(problem.path),
});

/** The key that a document claims, valid or not. */
function keyOf({ value }: SourceDocument): ServiceKey | undefined {
  const metadata = (value as Partial<MeshServiceInput>).metadata;
  return metadata?.name === undefined ? undefined : `${metadata.namespace ?? 'default'}/${metadata.name}`;
}

function findRepeated(documents: readonly SourceDocument[]): LocatedProblem[] {
  const first = new Map<ServiceKey, string>();
  return documents.flatMap((document) => {
    const key = keyOf(document);
    const elsewhere = key && first.get(key);
    if (key && elsewhere === undefined) first.set(key, document.file);
    if (elsewhere === undefined) return [];
    return [
      locate(document, {
        path: ['metadata', 'name'],
        message: `${key} is declared in ${elsewhere} already; a service is one document`,
      }),
    ];
  });
}
