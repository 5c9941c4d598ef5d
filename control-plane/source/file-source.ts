import { FILES } from '../../src/model/author.js';
import { checkDocuments, claimedKey, locateProblem } from '../../src/model/check-documents.js';
import type { ServiceKey } from '../../src/model/mesh-service.js';
import { listFiles, readFiles } from '../../src/model/read-files.js';
import type { MeshServiceInput } from '../../src/model/schema.js';
import { formatLocated, type LocatedProblem, type SourceDocument } from '../../src/model/yaml-source.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { FileSourceMark } from '../store/config-state.js';
import type { ConfigStore } from '../store/config-store.js';
import type { Configuration } from '../store/configuration.js';
import { digestOf } from '../store/digest.js';
import type { Editor } from '../store/editor.js';
import { RejectedError } from '../store/errors.js';
import { fileSignature } from './file-signature.js';

const POLL_INTERVAL_MS = 500;

/**
 * Keeps the configuration at what a set of files says. Files are looked at twice a second (which works on every
 * file system, mounted volumes and symbolic links included). All files are applied together or not at all: one
 * that is broken leaves everything as it was.
 */
export class FileSource {
  private signature = '';
  private timer: NodeJS.Timeout | undefined;
  private polling: Promise<void> = Promise.resolve();
  private closed = false;
  private found: readonly string[] = [];

  constructor(
    private readonly paths: readonly string[],
    private readonly store: ConfigStore,
    private readonly log: Logger,
    /** Whoever writes the files is an admin of all namespaces, where others are asked who they are. */
    private readonly as?: Editor,
  ) {}

  /** What keeps the files from being in force: each problem with its file and line. Empty: nothing. */
  get problems(): readonly string[] {
    return this.found;
  }

  /** Applies the files as they are. Afterwards {@link problems} tells whether that worked. */
  async load(): Promise<void> {
    this.signature = this.look();
    const { documents, problems } = readFiles(this.paths);
    const all = [...problems, ...checkDocuments(documents)];
    this.found = (all.length > 0 ? all : await this.apply(documents)).map(formatLocated);
  }

  watch(): void {
    const next = () => {
      this.polling = this.poll().then(() => {
        if (!this.closed) this.timer = setTimeout(next, POLL_INTERVAL_MS).unref();
      });
    };
    next();
  }

  /** Stops watching; resolves when nothing of it is under way any more. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    await this.polling;
  }

  private async poll(): Promise<void> {
    if (this.look() === this.signature) return;
    const before = { revision: this.store.current.revision, problems: this.problems.join('\n') };
    try {
      await this.load();
    } catch (error) {
      this.log.error({ err: error }, 'the configuration files could not be applied; trying again');
      this.signature = '';
      return;
    }
    const { problems } = this;
    const { revision } = this.store.current;
    if (problems.length > 0 && problems.join('\n') !== before.problems)
      this.log.error({ problems }, 'the configuration files are not valid; the previous configuration stays');
    else if (problems.length === 0 && (revision !== before.revision || before.problems !== ''))
      this.log.info({ revision }, 'configuration files applied');
  }

  /** Changes whenever a file is added, removed or written. */
  private look(): string {
    try {
      return listFiles(this.paths).map(fileSignature).join('\n');
    } catch (error) {
      return `unreadable: ${(error as Error).message}`;
    }
  }

  /** @returns what is wrong; empty where everything is in force. */
  private async apply(documents: readonly SourceDocument[]): Promise<readonly LocatedProblem[]> {
    let news: readonly SourceDocument[] = [];
    try {
      await this.store.edit((current) => {
        // A document that its file has not changed leaves alone what the API made of the service since.
        news = documents.filter(
          (document) => knownMark(current, document)?.digest !== markOf(document).digest,
        );
        return {
          documents: news.map(inputOf),
          sources: news.map(markOf),
          moved: movedAmong(
            current,
            documents.filter((document) => !news.includes(document)),
          ),
          deleted: removedFrom(current, documents),
          cause: { action: 'files', by: FILES },
          as: this.as,
        };
      });
      return [];
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error;
      return [...error.problems].flatMap(([i, problems]) =>
        problems.map((problem) => locateProblem(news[i] as SourceDocument, problem)),
      );
    }
  }
}

function knownMark({ services }: Configuration, document: SourceDocument): FileSourceMark | undefined {
  const key = claimedKey(document);
  return key && services.get(key)?.record.source;
}

function movedAmong(
  current: Configuration,
  documents: readonly SourceDocument[],
): Map<ServiceKey, FileSourceMark> {
  const moved = documents.filter((document) => knownMark(current, document)?.file !== document.file);
  return new Map(moved.map((document) => [claimedKey(document) as ServiceKey, markOf(document)]));
}

/** Services that a file declared and none does now. */
function removedFrom({ services }: Configuration, documents: readonly SourceDocument[]): ServiceKey[] {
  const declared = new Set(documents.map(claimedKey));
  return [...services]
    .filter(([key, { record }]) => record.source !== undefined && !declared.has(key))
    .map(([key]) => key);
}

const inputOf = ({ value }: SourceDocument) => value as MeshServiceInput;
const markOf = (document: SourceDocument): FileSourceMark => ({
  file: document.file,
  digest: digestOf(inputOf(document)),
});
