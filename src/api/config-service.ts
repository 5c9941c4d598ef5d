import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type GrpcObject, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import protoLoader, { type PackageDefinition } from '@grpc/proto-loader';
import type { Author } from '../model/author.js';
import { PROTO_BUNDLES } from '../xds/descriptors.js';
import { type PlainDocument, withPlainDocuments } from './documents-codec.js';
import type { Struct } from './struct.js';

/** Messages of `proto/roost/v1/config.proto`, as proto-loader gives them: camelCase, nothing left out. */

export interface ServiceMessage {
  readonly key: string;
  readonly document: Struct;
  readonly revision: number;
  readonly file: string;
  /** Hosts that lead callers of its own namespace alone. */
  readonly localHosts: readonly string[];
  /** Hosts that lead no caller to it: they are another service's own name. */
  readonly takenHosts: readonly string[];
  /** What is granted beyond hosts: endpoints on the caller's machine, DNS names, files. */
  readonly granted: readonly string[];
  /** Endpoints on the caller's machine without a grant: no client is sent them. */
  readonly withheld: readonly string[];
}

export interface ChangeResponse {
  readonly revision: number;
  readonly changed: boolean;
  readonly services: readonly ServiceMessage[];
  readonly differences: readonly ServiceDifference[];
  /** What else the caller should know. */
  readonly notes: readonly string[];
}

/** What a change does to one service, in words. */
export interface ServiceDifference {
  readonly key: string;
  readonly summary: readonly string[];
}

export interface SessionsRequest {
  readonly name: string;
  readonly key: string;
}

export interface SessionsResponse {
  readonly key: string;
  readonly sidecars: number;
  readonly total: number;
  readonly counts: readonly SessionCountMessage[];
  readonly sessions: readonly SharedSessionMessage[];
  readonly inCookies: readonly string[];
}

export interface SessionCountMessage {
  readonly release: string;
  readonly endpoint: string;
  readonly source: string;
  readonly sessions: number;
}

export interface SharedSessionMessage {
  readonly source: string;
  readonly route: string;
  readonly release: string;
  readonly endpoint: string;
  readonly label: boolean;
  readonly generation: number;
  readonly revision: number;
  readonly idleSeconds: number;
}

export interface HistoryRequest {
  readonly name: string;
  readonly limit: number;
  readonly documents: boolean;
}

export interface HistoryEntryMessage {
  readonly revision: number;
  readonly fromRevision: number;
  readonly at: string;
  readonly action: string;
  readonly by: Author;
  readonly key: string;
  readonly summary: readonly string[];
  readonly document: Struct | null;
}

export interface HistoryResponse {
  readonly entries: readonly HistoryEntryMessage[];
  readonly more: number;
}

/**
 * Metadata of a call that changes something: the caller's own name for it, at most 64 letters, digits and dashes. A
 * change with the same name is not made twice; the second call is answered as the first one was.
 */
export const REQUEST_ID_METADATA = 'roost-request-id';

/**
 * Trailer of every failed change: `not-made`, or `unknown` where the change may be in force, now or later, and only
 * asking again with the same {@link REQUEST_ID_METADATA} tells.
 */
export const OUTCOME_TRAILER = 'roost-outcome';

/** Metadata of a call that changes something: who the caller says it is, as UTF-8. */
export const ACTOR_METADATA = 'roost-actor-bin';

export interface ApplyRequest {
  readonly documents: readonly (PlainDocument | Struct)[];
  readonly expectedRevision: number;
  readonly expect: boolean;
  readonly dryRun: boolean;
  /** What becomes of the grant: empty (as the caller may), `keep` or `none`. */
  readonly grant: string;
  /** Change what a configuration file declares. */
  readonly force: boolean;
}

export interface SplitRequest {
  readonly name: string;
  readonly split: readonly { readonly version: string; readonly weight: number }[];
  readonly route: string;
  readonly expectedRevision: number;
}

export interface ListResponse {
  readonly services: readonly ServiceMessage[];
  readonly revision: number;
}

export interface WatchEvent {
  readonly revision: number;
  readonly changed: readonly ServiceMessage[];
  readonly deleted: readonly string[];
}

export interface RejectionMessage {
  readonly client: string;
  readonly type: string;
  readonly reason: string;
  readonly revision: number;
}

export interface AwaitProgress {
  readonly connected: number;
  readonly settled: number;
  readonly rejections: readonly RejectionMessage[];
  readonly done: boolean;
  /** The first of those that have not answered. */
  readonly late: readonly LateClient[];
}

/** A client that owes an answer. */
export interface LateClient {
  readonly client: string;
  /** How long it has not answered, in milliseconds; 0: it has not been told yet. */
  readonly silentMs: number;
  /** It was late before the wait began, and is not waited for. */
  readonly lateBefore: boolean;
}

export interface TypeStatus {
  readonly type: string;
  readonly wildcard: boolean;
  readonly names: number;
  readonly unanswered: number;
  readonly rejection: RejectionMessage | null;
}

/** A resource that a client does not run as it is served. */
export interface DriftMessage {
  readonly type: string;
  readonly name: string;
  /** `not-sent`, `unanswered`, `rejected` or `waiting`: accepted, and not in force yet. */
  readonly state: string;
}

export interface ClientStatus {
  readonly id: string;
  readonly agent: string;
  readonly agentVersion: string;
  readonly service: string;
  readonly namespace: string;
  readonly release: string;
  readonly protocol: string;
  readonly connectedAtMs: number;
  readonly inSync: boolean;
  /** Some, where there are many; none where it is in sync. */
  readonly drift: readonly DriftMessage[];
  readonly types: readonly TypeStatus[];
  /** A sidecar that shares no pins of sessions; 0: it does, or is not a sidecar of ours. */
  readonly notSharingSinceMs: number;
}

/** Load of one release, as sidecars report it. */
export interface ReleaseLoad {
  /** `shop/checkout` */
  readonly service: string;
  readonly release: string;
  readonly requestsPerSecond: number;
  /** 0 to 1; 1 where nothing finished. */
  readonly successRate: number;
  /** Mean of the requests that finished and were timed; 0: none was (Envoy times none). */
  readonly latencyMs: number;
  readonly inFlight: number;
  /** Sessions that sidecars hold there. */
  readonly pins: number;
  /** Attempts since the control plane started. */
  readonly requests: number;
  /** Endpoints, and those that take new sessions, as the sidecar knows them that sees the fewest usable ones. */
  readonly endpoints: number;
  readonly usableEndpoints: number;
  /** Requests since the control plane started that another release took, since this one had no usable endpoint. */
  readonly failovers: number;
  /** Weight in the split of the service's main route, and the sum of that split's weights; 0 and 0: not part of it. */
  readonly splitWeight: number;
  readonly splitTotal: number;
}

export interface StatusResponse {
  readonly revision: number;
  readonly clients: readonly ClientStatus[];
  readonly fileProblems: readonly string[];
  readonly filesWaiting: readonly string[];
  /** Services that are stored and cannot be served, each with the reason. */
  readonly unserved: readonly string[];
  readonly services: number;
  readonly version: string;
  readonly store: string;
  /** Why nothing can be stored at present; empty: it can, as far as is known. */
  readonly storeProblem: string;
  /** Name of the control plane that answers. */
  readonly replica: string;
  /** The other control planes over the same store. */
  readonly others: readonly ReplicaStatus[];
  /** What an operator of all namespaces should look at. */
  readonly warnings: readonly string[];
  readonly load: readonly ReleaseLoad[];
}

/** What another control plane last said of itself. */
export interface ReplicaStatus {
  readonly name: string;
  readonly version: string;
  readonly revision: number;
  readonly clients: number;
  /** Clients that have answered everything up to its revision. */
  readonly settled: number;
}

export interface ProblemMessage {
  readonly document: number;
  /** A path as JSON. */
  readonly path: string;
  readonly message: string;
}

/** Every problem that there was room for. */
export interface ProblemsMessage {
  readonly problems: readonly ProblemMessage[];
  readonly more: number;
}

/** Trailer of INVALID_ARGUMENT that carries `Problems`. */
export const PROBLEMS_TRAILER = 'roost-problems-bin';

const LOADER_OPTIONS = { longs: Number, enums: String, defaults: true, arrays: true, objects: true };

/** The package's definition, for servers, clients and reflection. */
export function loadApiDefinition(): PackageDefinition {
  const bundle = JSON.parse(readFileSync(join(PROTO_BUNDLES, 'roost.json'), 'utf8'));
  return withPlainDocuments(protoLoader.fromJSON(bundle, LOADER_OPTIONS));
}

interface MessageDefinition {
  serialize(value: object): Uint8Array;
  deserialize(bytes: Buffer): object;
}

/** Codec of the `roost-problems-bin` trailer. */
export function problemsCodec(definition: PackageDefinition): MessageDefinition {
  return definition['roost.v1.Problems'] as unknown as MessageDefinition;
}

/** Constructor of a client, and the service's definition. */
export function configServiceConstructor(definition: PackageDefinition): ServiceClientConstructor {
  const roost = loadPackageDefinition(definition).roost as GrpcObject;
  return (roost.v1 as GrpcObject).ConfigService as ServiceClientConstructor;
}
