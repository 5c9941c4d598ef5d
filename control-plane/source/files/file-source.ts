import { fileSignature, fileState } from '../../../src/lifecycle/file-signature.js';
import { applyProblems } from '../../../src/model/apply-rules.js';
import { FILES } from '../../../src/model/author.js';
import { checkDocuments, claimedKey, locateProblem } from '../../../src/model/check-documents.js';
import { cookieNotes } from '../../../src/model/cookie-rules.js';
import { unfoldLists } from '../../../src/model/lists.js';
import type { ServiceKey } from '../../../src/model/mesh-service.js';
import { listFiles, readFiles } from '../../../src/model/read-files.js';
import type { MeshServiceInput } from '../../../src/model/schema.js';
import { formatLocated, type LocatedProblem, type SourceDocument } from '../../../src/model/yaml-source.js';
import type { Logger } from '../../../src/telemetry/logger.js';
import type { SourceMark } from '../../store/config-state.js';
import type { ConfigStore } from '../../store/config-store.js';
import type { Configuration } from '../../store/configuration.js';
import { digestOf } from '../../store/digest.js';
import type { Editor } from '../../store/editor.js';
import { RejectedError } from '../../store/errors.js';
import { isFromFile } from '../../store/source-mark.js';
import type { ConfigSource } from '../config-source.js';
import { Absences } from './absences.js';
import { QuietFiles } from './quiet-files.js';

const POLL_INTERVAL_MS = 500;
/** While a change has been seen and is not read yet. */
const RESTLESS_POLL_INTERVAL_MS = 100;
/** Files that have not changed for so long are whole: editors and copies write without such pauses. */
const QUIET_MS = 1000;
/** At the start, files that were written a moment ago are waited for, but never for long. */
const LONGEST_START_WAIT_MS = 3000;
const MAX_READS = 3;

export interface FileSourceOptions {
  readonly paths: readonly string[];
  readonly store: ConfigStore;
  readonly log: Logger;
  /** The author of the files counts as an admin of all namespaces where callers need credentials. */
  readonly as?: Editor | undefined;
  /** How long no file must declare a service before it is removed. */
  readonly settleMs: number;
  /** How long files must not have changed before they are read; absent: a second. */
  readonly quietMs?: number;
  nowMs?(): number;
}

/**
 * Keeps the configuration at what a set of files says. Files are looked at twice a second (which works on every
 * file system, mounted volumes and symbolic links included) and read once they have come to rest. All files are
 * applied together or not at all: one that is broken leaves everything as it was, and so do files that lack a service
 * which they declared, until they have lacked it for a while.
 */
export class FileSource implements ConfigSource {
  private timer: NodeJS.Timeout | undefined;
  private polling: Promise<void> = Promise.resolve();
  private closed = false;
  private found: readonly string[] = [];
  private readonly quiet: QuietFiles;
  private readonly absences: Absences;
  private readonly nowMs: () => number;

  constructor(private readonly options: FileSourceOptions) {
    this.quiet = new QuietFiles(options.quietMs ?? QUIET_MS);
    this.absences = new Absences(options.settleMs);
    this.nowMs = options.nowMs ?? (() => performance.now());
  }

  /** What keeps the files from being in force: each problem with its file and line. Empty: nothing. */
  get problems(): readonly string[] {
    return this.found;
  }

  /** What keeps newer files from being in force for now, for people. Empty: nothing. */
  get waiting(): readonly string[] {
    const seconds = Math.ceil(this.absences.waitMs(this.nowMs()) / 1000);
    const restless = this.quiet.isRestless
      ? ['the files are changing; they are read once they are quiet']
      : [];
    return [
      ...restless,
      ...this.absences.keys.map(
        (key) => `${key}: no file declares it any more; it is removed in ${seconds} s if that stays so`,
      ),
    ];
  }

  /** Applies the files as they are, once nothing is written to them. Afterwards {@link problems} tells whether that worked. */
  async start(): Promise<void> {
    const until = performance.now() + LONGEST_START_WAIT_MS;
    while (this.isFresh() && performance.now() < until)
      await new Promise((done) => setTimeout(done, RESTLESS_POLL_INTERVAL_MS));
    await this.load();
    this.logHeld([]);
  }

  /** Applies the files as they are now. Afterwards {@link problems} tells whether that worked. */
  async load(): Promise<void> {
    const signature = this.look();
    const { documents, problems } = this.read();
    this.quiet.read(signature);
    const all = [...problems, ...checkDocuments(documents)];
    this.found = (all.length > 0 ? all : await this.apply(documents)).map(formatLocated);
  }

  watch(): void {
    const next = () => {
      this.polling = this.poll().then(() => {
        const intervalMs = this.quiet.isRestless ? RESTLESS_POLL_INTERVAL_MS : POLL_INTERVAL_MS;
        if (!this.closed) this.timer = setTimeout(next, intervalMs).unref();
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

  /** Looks at the files, and applies them if it is time to. */
  async poll(): Promise<void> {
    const now = this.nowMs();
    const isHeld = this.problems.length === 0 && this.absences.keys.length > 0;
    const isDue = isHeld && this.absences.waitMs(now) === 0;
    if (!this.quiet.look(this.look(), now) && !(isDue && !this.quiet.isRestless)) return;
    const { store } = this.options;
    const before = {
      revision: store.current.revision,
      problems: this.problems.join('\n'),
      held: this.absences.keys,
    };
    try {
      await this.load();
    } catch (error) {
      this.options.log.error({ err: error }, 'the configuration files could not be applied; trying again');
      this.quiet.read(undefined);
      return;
    }
    this.logOutcome(before.revision, before.problems);
    this.logHeld(before.held);
  }

  private logOutcome(revisionBefore: number, problemsBefore: string): void {
    const { problems } = this;
    const { log, store } = this.options;
    const { revision } = store.current;
    if (problems.length > 0 && problems.join('\n') !== problemsBefore)
      log.error({ problems }, 'the configuration files are not valid; the previous configuration stays');
    else if (problems.length === 0 && (revision !== revisionBefore || problemsBefore !== ''))
      log.info({ revision }, 'configuration files applied');
  }

  private logHeld(before: readonly ServiceKey[]): void {
    const services = this.absences.keys;
    if (services.join() === before.join()) return;
    const { log, settleMs } = this.options;
    if (services.length > 0)
      log.warn(
        { services, settleMs },
        'no configuration file declares these services any more; the previous configuration stays until that has lasted',
      );
    else if (this.problems.length === 0)
      log.info({ services: before }, 'no service waits for its removal any more');
  }

  /** What is written to while it is read, is read once more. */
  private read(): ReturnType<typeof readFiles> {
    for (let attempt = 1; ; attempt++) {
      const before = this.look(fileState);
      const found = unfoldLists(readFiles(this.options.paths));
      if (attempt === MAX_READS || this.look(fileState) === before) return found;
    }
  }

  /** Something has been written a moment ago. */
  private isFresh(): boolean {
    const first = this.look();
    return this.look() !== first;
  }

  /** Changes whenever a file is added, removed or written. */
  private look(signatureOf = fileSignature): string {
    try {
      return listFiles(this.options.paths).map(signatureOf).join('\n');
    } catch (error) {
      return `unreadable: ${(error as Error).message}`;
    }
  }

  /** @returns what is wrong; empty where everything is in force, or is held until removals have settled. */
  private async apply(documents: readonly SourceDocument[]): Promise<readonly LocatedProblem[]> {
    let news: readonly SourceDocument[] = [];
    try {
      await this.options.store.edit((current) => {
        const deleted = removedFrom(current, documents);
        this.absences.update(deleted, this.nowMs());
        const cause = { action: 'files', by: FILES };
        if (this.absences.waitMs(this.nowMs()) > 0) return { cause };
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
          deleted,
          cause,
          as: this.options.as,
        };
      });
      this.forgetRemoved();
      this.warnOf(news);
      return [];
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error;
      return [...error.problems].flatMap(([i, problems]) =>
        problems.map((problem) => locateProblem(news[i] as SourceDocument, problem)),
      );
    }
  }

  /** What `apply` refuses is served from files, which a start of the control plane must not fail over. */
  private warnOf(documents: readonly SourceDocument[]): void {
    const problems = documents.flatMap((document) =>
      [...applyProblems(document.value), ...cookieNotes(document.value)].map((problem) =>
        formatLocated(locateProblem(document, problem)),
      ),
    );
    if (problems.length > 0)
      this.options.log.warn({ problems }, 'the configuration files are in force, and parts make no sense');
  }

  private forgetRemoved(): void {
    const { services } = this.options.store.current;
    this.absences.update(
      this.absences.keys.filter((key) => services.has(key)),
      this.nowMs(),
    );
  }
}

function knownMark({ services }: Configuration, document: SourceDocument): SourceMark | undefined {
  const key = claimedKey(document);
  return key && services.get(key)?.record.source;
}

function movedAmong(
  current: Configuration,
  documents: readonly SourceDocument[],
): Map<ServiceKey, SourceMark> {
  const moved = documents.filter((document) => knownMark(current, document)?.file !== document.file);
  return new Map(moved.map((document) => [claimedKey(document) as ServiceKey, markOf(document)]));
}

/** Services that a file declared and none does now. */
function removedFrom({ services }: Configuration, documents: readonly SourceDocument[]): ServiceKey[] {
  const declared = new Set(documents.map(claimedKey));
  return [...services]
    .filter(([key, { record }]) => isFromFile(record.source) && !declared.has(key))
    .map(([key]) => key);
}

const inputOf = ({ value }: SourceDocument) => value as MeshServiceInput;
const markOf = (document: SourceDocument): SourceMark => ({
  file: document.file,
  digest: digestOf(inputOf(document)),
});
