import type {
  handleUnaryCall,
  ServerUnaryCall,
  sendUnaryData,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import type {
  ApplyRequest,
  ChangeResponse,
  HistoryRequest,
  HistoryResponse,
  SessionsRequest,
  SessionsResponse,
  SplitRequest,
  StatusResponse,
} from '../../src/api/config-service.js';
import { plainValue } from '../../src/api/documents-codec.js';
import { fromStruct, type Struct } from '../../src/api/struct.js';
import type { Author } from '../../src/model/author.js';
import { describeGrantChange } from '../../src/model/grant.js';
import {
  commandName,
  type MeshService,
  namespaceOfKey,
  parseServiceName,
  type ServiceKey,
  serviceKey,
} from '../../src/model/mesh-service.js';
import {
  type AbortOptions,
  isAllOnStable,
  withAbort,
  withPromotion,
  withSplit,
} from '../../src/model/operations.js';
import type { MeshServiceInput } from '../../src/model/schema.js';
import type { Logger } from '../../src/telemetry/logger.js';
import { type CallWithMetadata, type Visibility, visibilityOf } from '../access/caller.js';
import type { AdsServer } from '../ads/ads-server.js';
import type { LiveEndpoints } from '../endpoints/live-endpoints.js';
import type { SessionSurvey } from '../load/session-survey.js';
import { decisionTable } from '../plan/decision-table.js';
import type { SessionHub } from '../sessions/session-hub.js';
import {
  findSession,
  forgetSession,
  type ReportedSessions,
  reportSessions,
  UnknownSessionError,
} from '../sessions/session-report.js';
import { translateContext } from '../snapshot/publisher.js';
import type { Cause } from '../store/config-state.js';
import type { ConfigStore } from '../store/config-store.js';
import type { ConfiguredService } from '../store/configuration.js';
import type { Commit } from '../store/edit.js';
import { checkSense, parseAll } from '../store/edit-checks.js';
import type { Editor, GrantMode } from '../store/editor.js';
import { UnknownServiceError } from '../store/errors.js';
import { unpackBackup } from '../store/unpack-backup.js';
import type { TranslateContext } from '../translate/policy.js';
import { authorOf, requestIdOf } from './author.js';
import { type AwaitCall, RevisionFollowers } from './await-revision.js';
import { elsewhereNotes, fileNotes, promotionNotes } from './change-notes.js';
import { type ExplainRequest, explain, plan } from './decisions.js';
import { InvalidRequestError, toServiceError } from './grpc-errors.js';
import { differenceMessage, historyMessage, listServices, serviceMessage } from './messages.js';
import { type WatchCall, Watchers } from './watchers.js';

export interface ConfigApiParts {
  readonly store: ConfigStore;
  readonly endpoints: LiveEndpoints;
  readonly ads: AdsServer;
  readonly definition: PackageDefinition;
  readonly survey: SessionSurvey;
  readonly sessions: SessionHub;
  readonly log: Logger;
  /** As whom a caller edits; undefined: callers need no credentials. */
  editorOf(call: CallWithMetadata): Editor | undefined;
  status(visible: Visibility): Promise<StatusResponse>;
}

interface Named {
  readonly name: string;
  /** 0: whatever it is. */
  readonly expectedRevision: number;
}

interface Forced {
  /** Change what a configuration file declares. */
  readonly force: boolean;
}

/** As proto-loader gives a oneof: the one that is set, the others null. */
interface PlanRequest {
  readonly document: Struct | null;
  readonly split: SplitRequest | null;
  readonly promote: (Named & { readonly release: string }) | null;
  readonly abort: (Named & AbortOptions) | null;
}

/** Services of a change that are told of one by one. */
const MAX_DIFFERENCES = 100;
/** Most that is said beside a change. */
const MAX_NOTES = 20;

/** The configuration API; see `proto/roost/v1/config.proto`. */
export class ConfigApi {
  private readonly watchers: Watchers;
  private readonly followers: RevisionFollowers;

  constructor(private readonly parts: ConfigApiParts) {
    this.watchers = new Watchers(parts.store);
    this.followers = new RevisionFollowers(parts.ads, parts.store);
  }

  /** The gRPC service's methods. */
  get implementation(): UntypedServiceImplementation {
    const { store, status } = this.parts;
    return {
      Apply: this.changing((request: ApplyRequest, who, as) => apply(store, request, who, as)),
      Delete: this.changing(({ name, expectedRevision }: Named, who) =>
        store.remove(keyOf(name), orAny(expectedRevision), { action: 'delete', ...who }),
      ),
      Split: this.modifying(
        () => 'split',
        (document, { split, route }: SplitRequest) => withSplit(document, [...split], route || undefined),
      ),
      Promote: this.modifying(
        ({ release }) => `promote ${release}`,
        (document, { release }: Named & { release: string }) => withPromotion(document, release),
        (key) => elsewhereNotes(this.find(key).record.document),
      ),
      Abort: this.modifying(
        (request: Named & AbortOptions) => abortAction(request),
        (document, request) => withAbort(document, request),
        (key, commit) => this.abortNotes(key, commit),
      ),
      Undo: this.changing(
        (request: Named & { readonly toRevision: number; readonly force: boolean }, who, as) => {
          const { name, toRevision, expectedRevision, force } = request;
          const cause = { action: toRevision === 0 ? 'undo' : `undo --to ${toRevision}`, ...who };
          const context = { cause, as, heedsFiles: !force };
          return store.undo(keyOf(name), orAny(toRevision), orAny(expectedRevision), context);
        },
      ),
      Restore: this.changing(async ({ file, dryRun }: { file: Buffer; dryRun: boolean }, who) =>
        store.restore(await unpackBackup(file), dryRun, { action: 'restore', ...who }),
      ),
      Backup: this.unary(async () => ({ file: await store.backup() })),
      History: this.unary((request: HistoryRequest, call) => this.history(request, visibilityOf(call))),
      Get: this.unary(({ name }: Named) =>
        serviceMessage(keyOf(name), this.find(keyOf(name)), store.current.services),
      ),
      List: this.unary(({ namespace }: { namespace: string }, call) =>
        listServices(store.current, namespace, visibilityOf(call)),
      ),
      Explain: this.unary((request: ExplainRequest) => this.explain(request)),
      Sessions: this.unary(async (request: SessionsRequest) => {
        const asked = this.reported(request);
        await findSession(asked);
        return reportSessions(asked);
      }),
      ForgetSession: this.unary((request: SessionsRequest, call) => this.forget(request, authorOf(call))),
      Plan: this.unary((request: PlanRequest) => this.plan(request)),
      Status: this.unary((_request, call) => status(visibilityOf(call))),
      Watch: (call: WatchCall) => this.watchers.serve(call),
      Await: (call: AwaitCall) => this.followers.serve(call),
    };
  }

  /** Ends the calls that would go on for ever. */
  closeStreams(): void {
    this.watchers.closeAll();
    this.followers.closeAll();
  }

  private find(key: ServiceKey): ConfiguredService {
    const { services } = this.parts.store.current;
    const found = services.get(key);
    if (found === undefined) throw new UnknownServiceError(key, services.keys());
    return found;
  }

  private get context(): TranslateContext {
    return translateContext(this.parts.store.current, this.parts.endpoints);
  }

  private explain(request: ExplainRequest): object {
    return explain(this.find(keyOf(request.name)).service, request, this.context, this.parts.sessions);
  }

  private reported({ name, key }: SessionsRequest): ReportedSessions {
    const { service } = this.find(keyOf(name));
    const { sessions: hub } = this.parts;
    return { service, key, hub, host: decisionTable(service, this.context) };
  }

  private async forget(request: SessionsRequest, { name: actor }: Author): Promise<SessionsResponse> {
    const asked = this.reported(request);
    await findSession(asked);
    const told = await reportSessions(asked);
    const forgotten = forgetSession(asked);
    if (forgotten === 0) throw new UnknownSessionError(serviceKey(asked.service));
    this.parts.log.info({ actor, service: serviceKey(asked.service), pins: forgotten }, 'session unpinned');
    return told;
  }

  private plan(request: PlanRequest): Promise<object> {
    const { store, survey } = this.parts;
    const document = request.document
      ? (fromStruct(request.document) as unknown as MeshServiceInput)
      : this.operated(request);
    if (request.document) checkSense([document]);
    const [after] = parseAll([document]) as [MeshService];
    const key = serviceKey(after);
    const { current } = store;
    const before = current.services.get(key)?.service;
    return plan({
      key,
      before,
      after,
      context: this.context,
      revision: current.revision + 1,
      survey,
    });
  }

  /** The document as an operation would leave it. */
  private operated({ split, promote, abort }: PlanRequest): MeshServiceInput {
    const documentOf = ({ name }: Named) => this.find(keyOf(name)).record.document;
    if (split) return withSplit(documentOf(split), [...split.split], split.route || undefined);
    if (promote) return withPromotion(documentOf(promote), promote.release);
    if (abort) return withAbort(documentOf(abort), abort);
    throw new InvalidRequestError('a plan needs a change: a document, a split, a promotion or an abort');
  }

  private history({ name, limit, documents }: HistoryRequest, visible: Visibility): HistoryResponse {
    const { store } = this.parts;
    const key = name === '' ? undefined : keyOf(name);
    const changes = store.history(key).filter((change) => visible(namespaceOfKey(change.key)));
    // What is gone has a history; what never was has none.
    if (key !== undefined && changes.length === 0) this.find(key);
    const told = limit === 0 ? changes : changes.slice(0, limit);
    return {
      entries: told.map((change) => historyMessage(change, documents)),
      more: changes.length - told.length,
    };
  }

  /** An abort that took nothing from other releases may have come after the promotion that it was meant to take back. */
  private abortNotes(key: ServiceKey, { differences }: Commit): string[] {
    const { document } = this.find(key).record;
    const before = differences.find((difference) => difference.key === key)?.before ?? document;

    const remedy = `"roost abort ${commandName(key)} --labels" ends that, too`;
    return [
      ...(isAllOnStable(before) ? promotionNotes(key, this.parts.store.history(key)) : []),
      ...elsewhereNotes(document, remedy),
    ];
  }

  private modifying<Request extends Named>(
    actionOf: (request: Request) => string,
    edit: (document: MeshServiceInput, request: Request) => MeshServiceInput,
    notesOf: (key: ServiceKey, commit: Commit) => string[] = () => [],
  ): handleUnaryCall<Request & Forced, ChangeResponse> {
    return this.changing(
      (request: Request & Forced, who, as) =>
        this.parts.store.modify(
          keyOf(request.name),
          orAny(request.expectedRevision),
          (document) => edit(document, request),
          { cause: { action: actionOf(request), ...who }, as, heedsFiles: !request.force },
        ),
      ({ name }, commit) => notesOf(keyOf(name), commit),
    );
  }

  private changing<Request>(
    work: (request: Request, who: Omit<Cause, 'action'>, as: Editor | undefined) => Promise<Commit>,
    notesOf: (request: Request, commit: Commit) => string[] = () => [],
  ): handleUnaryCall<Request, ChangeResponse> {
    return this.unary(async (request: Request, call) => {
      const who = { by: authorOf(call), requestId: requestIdOf(call) };
      const commit = await work(request, who, this.parts.editorOf(call));
      const { revision, changed, differences } = commit;
      this.logGrants(differences, who.by);
      const { services } = this.parts.store.current;
      return {
        revision,
        changed: changed.size > 0,
        services: [...changed].sort().flatMap((key, i) => {
          const service = services.get(key);
          if (service === undefined) return [];
          const message = serviceMessage(key, service, services);
          return [i < MAX_DIFFERENCES ? message : { ...message, document: {} }];
        }),
        differences: differences.slice(0, MAX_DIFFERENCES).map(differenceMessage),
        notes: [...notesOf(request, commit), ...fileNotes(commit, this.parts.store.current)].slice(
          0,
          MAX_NOTES,
        ),
      };
    });
  }

  /** What is granted leaves a trace of its own: it is about namespaces that are not the service's. */
  private logGrants(differences: Commit['differences'], { name }: Author): void {
    for (const { key, grantBefore, grantAfter } of differences) {
      const changes = describeGrantChange(grantBefore, grantAfter);
      if (changes.length > 0) this.parts.log.info({ actor: name, service: key, changes }, 'grant changed');
    }
  }

  private unary<Request, Response>(
    handle: (request: Request, call: ServerUnaryCall<Request, Response>) => Promise<Response> | Response,
  ): handleUnaryCall<Request, Response> {
    return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) => {
      Promise.resolve()
        .then(() => handle(call.request, call))
        .then(
          (response) => callback(null, response),
          (error) => {
            const failure = toServiceError(this.asVisible(error, visibilityOf(call)), this.parts.definition);
            if (failure.code === status.INTERNAL)
              this.parts.log.error({ err: error, method: call.getPath() }, 'a call failed');
            callback(failure);
          },
        );
    };
  }

  /** What is suggested instead of a service that is not there is of the namespaces that the caller may see. */
  private asVisible(error: unknown, visible: Visibility): unknown {
    if (!(error instanceof UnknownServiceError)) return error;
    const known = [...this.parts.store.current.services.keys()];
    return new UnknownServiceError(
      error.key,
      known.filter((key) => visible(namespaceOfKey(key))),
    );
  }
}

async function apply(
  store: ConfigStore,
  request: ApplyRequest,
  who: Omit<Cause, 'action'>,
  as: Editor | undefined,
): Promise<Commit> {
  const grantMode = grantModeOf(request.grant);
  const action = grantMode === 'as-editor' ? 'apply' : `apply --grant ${grantMode}`;
  const documents = request.documents.map((document) => plainValue(document) as unknown as MeshServiceInput);
  if (request.expect && documents.length !== 1)
    throw new InvalidRequestError('an expected revision goes with one document, not with several');
  checkSense(documents);
  const expected = new Map<ServiceKey, number>();
  const { name, namespace = 'default' } = (request.expect && documents[0]?.metadata) || {};
  if (name !== undefined) expected.set(`${namespace}/${name}`, request.expectedRevision);
  return store.edit({
    documents,
    expected,
    dryRun: request.dryRun,
    cause: { action, ...who },
    as,
    grantMode,
    heedsFiles: !request.force,
  });
}

/** As an operator would type it. */
function abortAction({ drain, labels }: AbortOptions): string {
  return ['abort', ...(drain ? ['--drain'] : []), ...(labels ? ['--labels'] : [])].join(' ');
}

/** @throws InvalidRequestError */
function grantModeOf(text: string): GrantMode {
  if (text === '') return 'as-editor';
  if (text === 'keep' || text === 'none') return text;
  throw new InvalidRequestError(`the grant "${text}" is none of keep and none`);
}

function orAny(revision: number): number | undefined {
  return revision === 0 ? undefined : revision;
}

/** @throws InvalidRequestError */
function keyOf(name: string): ServiceKey {
  const key = parseServiceName(name);
  if (/^[^/\s]+\/[^/\s]+$/.test(key)) return key;
  throw new InvalidRequestError(`"${name}" names no service; write checkout, checkout.shop or shop/checkout`);
}
