import type {
  handleUnaryCall,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import type {
  ApplyRequest,
  AwaitProgress,
  ChangeResponse,
  ListResponse,
  ServiceMessage,
  SplitRequest,
  StatusResponse,
  WatchEvent,
} from '../../src/api/config-service.js';
import { fromStruct, type Struct, toStruct } from '../../src/api/struct.js';
import { parseServiceName, type ServiceKey, serviceKey } from '../../src/model/mesh-service.js';
import { OperationError, withAbort, withPromotion, withSplit } from '../../src/model/operations.js';
import type { MeshServiceInput } from '../../src/model/schema.js';
import type { AdsServer } from '../ads/ads-server.js';
import type { LoadStore } from '../load/load-store.js';
import {
  type ConfigStore,
  type Configuration,
  type ConfiguredService,
  parseDocument,
  UnknownServiceError,
} from '../store/config-store.js';
import type { TranslateContext } from '../translate/policy.js';
import { followRevision } from './await-revision.js';
import { type ExplainRequest, explain, plan } from './decisions.js';
import { toServiceError } from './grpc-errors.js';

export interface ConfigApiParts {
  readonly store: ConfigStore;
  readonly ads: AdsServer;
  readonly definition: PackageDefinition;
  readonly load: LoadStore;
  status(): StatusResponse;
  /** What translation of the configuration in force needs. */
  translateContext(): TranslateContext;
}

/** The configuration API's methods; see `proto/roost/v1/config.proto`. */
export function configApi(parts: ConfigApiParts): UntypedServiceImplementation {
  const { store } = parts;
  const unary = <Request, Response>(handle: (request: Request) => Promise<Response> | Response) =>
    unaryHandler(handle, parts.definition);
  const change = (work: Promise<number>) => changeResponse(store, store.current.revision, work);
  return {
    Apply: unary((request: ApplyRequest) => change(apply(store, request))),
    Get: unary(({ name }: { name: string }) => serviceMessage(...find(store.current, name))),
    List: unary(({ namespace }: { namespace: string }) => list(store.current, namespace)),
    Delete: unary(({ name, expectedRevision }: Named) =>
      change(store.remove(parseServiceName(name), orAny(expectedRevision))),
    ),
    Split: unary((request: SplitRequest) =>
      change(
        modify(store, request, (document) =>
          withSplit(document, [...request.split], request.route || undefined),
        ),
      ),
    ),
    Promote: unary((request: Named & { release: string }) =>
      change(modify(store, request, (document) => withPromotion(document, request.release))),
    ),
    Abort: unary((request: Named & { drain: boolean }) =>
      change(modify(store, request, (document) => withAbort(document, request.drain))),
    ),
    Explain: unary((request: ExplainRequest) => {
      const [, { service }] = find(store.current, request.name);
      return explain(service, request, parts.translateContext());
    }),
    Plan: unary((request: PlanRequest) => planRequest(parts, request)),
    Watch: (call: ServerWritableStream<{ namespace: string }, WatchEvent>) => watch(store, call),
    Await: (call: ServerWritableStream<{ revision: number; timeoutMs: number }, AwaitProgress>) =>
      followRevision(parts.ads, call),
    Status: unary(() => parts.status()),
  };
}

/** As proto-loader gives a oneof: the one that is set, the others null. */
interface PlanRequest {
  readonly document: Struct | null;
  readonly split: SplitRequest | null;
  readonly promote: (Named & { readonly release: string }) | null;
  readonly abort: (Named & { readonly drain: boolean }) | null;
}

function planRequest({ store, load, translateContext }: ConfigApiParts, request: PlanRequest): object {
  const document = request.document
    ? (fromStruct(request.document) as unknown as MeshServiceInput)
    : planOperation(store.current, request);
  const after = parseDocument(document);
  const key = serviceKey(after);
  return plan(key, store.current.services.get(key)?.service, after, translateContext(), load);
}

function planOperation(current: Configuration, { split, promote, abort }: PlanRequest): MeshServiceInput {
  const of = ({ name }: Named) => find(current, name)[1].record.document;
  if (split) return withSplit(of(split), [...split.split], split.route || undefined);
  if (promote) return withPromotion(of(promote), promote.release);
  if (abort) return withAbort(of(abort), abort.drain);
  throw new OperationError('a plan needs a change: a document, a split, a promotion or an abort');
}

interface Named {
  readonly name: string;
  /** 0: whatever it is. */
  readonly expectedRevision: number;
}

function unaryHandler<Request, Response>(
  handle: (request: Request) => Promise<Response> | Response,
  definition: PackageDefinition,
): handleUnaryCall<Request, Response> {
  return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) => {
    Promise.resolve()
      .then(() => handle(call.request))
      .then((response) => callback(null, response))
      .catch((error) => callback(toServiceError(error, definition)));
  };
}

function apply(store: ConfigStore, request: ApplyRequest): Promise<number> {
  const documents = request.documents.map((document) => fromStruct(document) as unknown as MeshServiceInput);
  const expected = new Map<ServiceKey, number>();
  if (request.expect) {
    for (const { metadata } of documents) {
      if (metadata?.name !== undefined)
        expected.set(`${metadata.namespace ?? 'default'}/${metadata.name}`, request.expectedRevision);
    }
  }
  return store.edit({ documents, expected, dryRun: request.dryRun });
}

function modify(
  store: ConfigStore,
  { name, expectedRevision }: Named,
  edit: (document: MeshServiceInput) => MeshServiceInput,
): Promise<number> {
  return store.modify(parseServiceName(name), orAny(expectedRevision), edit);
}

function orAny(revision: number): number | undefined {
  return revision === 0 ? undefined : revision;
}

async function changeResponse(
  store: ConfigStore,
  before: number,
  work: Promise<number>,
): Promise<ChangeResponse> {
  const revision = await work;
  const services = [...store.current.services].filter(
    ([, { record }]) => record.revision === revision && revision > before,
  );
  return {
    revision,
    changed: revision > before,
    services: services.map(([key, service]) => serviceMessage(key, service)),
  };
}

function find(configuration: Configuration, name: string): [ServiceKey, ConfiguredService] {
  const key = parseServiceName(name);
  const found = configuration.services.get(key);
  if (found === undefined) throw new UnknownServiceError(key);
  return [key, found];
}

function list(configuration: Configuration, namespace: string): ListResponse {
  const all = [...configuration.services].filter(
    ([, { service }]) => namespace === '' || service.namespace === namespace,
  );
  const services = all
    .map(([key, service]) => serviceMessage(key, service))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  return { services, revision: configuration.revision };
}

function serviceMessage(key: ServiceKey, { record }: ConfiguredService): ServiceMessage {
  return {
    key,
    document: toStruct(record.document),
    revision: record.revision,
    file: record.source?.file ?? '',
  };
}

/** A watcher may leave this many events unread; then it is cut off and has to start over. */
const MAX_UNREAD_EVENTS = 1000;

function watch(store: ConfigStore, call: ServerWritableStream<{ namespace: string }, WatchEvent>): void {
  const { namespace } = call.request;
  const { services, revision } = list(store.current, namespace);
  call.write({ revision, changed: services, deleted: [] });
  const onChange = (configuration: Configuration, keys: ReadonlySet<ServiceKey>) => {
    const mine = [...keys].filter((key) => namespace === '' || key.startsWith(`${namespace}/`));
    if (mine.length === 0) return;
    const present = mine.flatMap((key) => {
      const found = configuration.services.get(key);
      return found ? [serviceMessage(key, found)] : [];
    });
    const deleted = mine.filter((key) => !configuration.services.has(key));
    call.write({ revision: configuration.revision, changed: present, deleted });
    if (call.writableLength > MAX_UNREAD_EVENTS) call.destroy(new Error('the watcher does not keep up'));
  };
  store.on('change', onChange);
  const stop = () => store.off('change', onChange);
  call.on('cancelled', stop);
  call.on('close', stop);
  call.on('error', stop);
}
