import { ALL_NAMESPACES, type Role } from '../../src/access/role.js';
import type { ApplyRequest, SplitRequest } from '../../src/api/config-service.js';
import { plainValue } from '../../src/api/documents-codec.js';
import { fromStruct, type Struct } from '../../src/api/struct.js';
import { claimedNamespace } from '../../src/model/check-documents.js';
import { namespaceOfKey, parseServiceName } from '../../src/model/mesh-service.js';
import { readNode } from '../../src/xds/client-node.js';
import { CSDS_SERVICE } from '../../src/xds/client-status-service.js';
import type { Message } from '../../src/xds/descriptors.js';
import { LRS_SERVICE } from '../../src/xds/load-report.js';
import { ADS_SERVICE } from '../../src/xds/resource-types.js';
import { UNKNOWN_METHOD } from './unknown-methods.js';

/** What a call of one method takes. */
export interface MethodRule {
  /** `any`: every caller with a credential. */
  readonly role: Role | 'any';
  /** Calls that one peer may make only so many of in a second. */
  readonly limited: boolean;
  /**
   * The namespaces that a message is about; all of them have to be the caller's. What answers tell of others is
   * left out by those who make them ({@link Visibility}).
   *
   * @param first whether it is the call's first message
   */
  namespacesOf(message: unknown, first: boolean): readonly string[];
}

interface Named {
  readonly name: string;
}

const none = () => [];
const named = (message: unknown) => [namespaceOf((message as Named).name)];
const listed = (message: unknown) => {
  const { namespace } = message as { readonly namespace: string };
  return namespace === '' ? [] : [namespace];
};

const everything = () => [ALL_NAMESPACES];
const namedIfAny = (message: unknown) => ((message as Named).name === '' ? [] : named(message));

const CONFIG_METHODS = {
  Apply: api('admin', (message) =>
    (message as ApplyRequest).documents.map((document) => claimedNamespace(plainValue(document))),
  ),
  Delete: api('admin', named),
  Split: api('operate', named),
  Promote: api('operate', named),
  Abort: api('operate', named),
  Undo: api('operate', named),
  History: api('read', namedIfAny),
  Backup: api('admin', everything),
  Restore: api('admin', everything),
  Get: api('read', named),
  List: api('read', listed),
  Explain: api('read', named),
  Sessions: api('read', named),
  ForgetSession: api('operate', named),
  Plan: api('read', plannedNamespaces),
  Watch: api('read', listed),
  Await: api('read', none),
  Status: api('read', none),
} as const satisfies Readonly<Record<string, MethodRule>>;

const RULES: ReadonlyMap<string, MethodRule> = new Map([
  ...Object.entries(CONFIG_METHODS).map(([name, rule]): [string, MethodRule] => [
    `/roost.v1.ConfigService/${name}`,
    rule,
  ]),
  ...['DeltaAggregatedResources', 'StreamAggregatedResources'].map((name): [string, MethodRule] => [
    `/${ADS_SERVICE}/${name}`,
    { role: 'sidecar', limited: false, namespacesOf: nodeNamespace },
  ]),
  [`/${LRS_SERVICE}/StreamLoadStats`, { role: 'sidecar', limited: false, namespacesOf: nodeNamespace }],
  ['/roost.v1.SessionService/Share', { role: 'sidecar', limited: false, namespacesOf: sharingNamespace }],
  ...['FetchClientStatus', 'StreamClientStatus'].map((name): [string, MethodRule] => [
    `/${CSDS_SERVICE}/${name}`,
    api('read', everything),
  ]),
  ...['v1', 'v1alpha'].map((version): [string, MethodRule] => [
    `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    api('read', none),
  ]),
  [UNKNOWN_METHOD, { role: 'any', limited: true, namespacesOf: none }],
]);

/** A method without a rule is for callers who may do everything. */
const UNLISTED: MethodRule = api('admin', everything);

/** @param path `/package.Service/Method` */
export function ruleOf(path: string): MethodRule {
  return RULES.get(path) ?? UNLISTED;
}

/** Methods that have a rule, as paths. */
export function ruledMethods(): readonly string[] {
  return [...RULES.keys()];
}

function api(role: Role, namespacesOf: MethodRule['namespacesOf']): MethodRule {
  return { role, limited: true, namespacesOf };
}

function namespaceOf(name: string): string {
  return namespaceOfKey(parseServiceName(name));
}

interface PlanRequest {
  readonly document: Struct | null;
  readonly split: SplitRequest | null;
  readonly promote: Named | null;
  readonly abort: Named | null;
}

function plannedNamespaces(message: unknown): readonly string[] {
  const { document, split, promote, abort } = message as PlanRequest;
  if (document) return [claimedNamespace(fromStruct(document))];
  return [split, promote, abort].flatMap((change) => (change ? [namespaceOf(change.name)] : []));
}

/** A client belongs to the namespace that it says; where it says nothing with its first request, to `default`. */
function nodeNamespace(request: unknown, first: boolean): readonly string[] {
  const { node } = request as Message;
  return first || node ? [readNode(node ?? undefined).namespace] : [];
}

/** As {@link nodeNamespace}: a sidecar shares the pins of callers of its own namespace. */
function sharingNamespace(request: unknown, first: boolean): readonly string[] {
  const { caller } = request as { readonly caller: { readonly namespace: string } | null };
  return first || caller ? [caller?.namespace || 'default'] : [];
}
