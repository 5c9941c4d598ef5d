import type {
  HistoryEntryMessage,
  ListResponse,
  ServiceDifference,
  ServiceMessage,
} from '../../src/api/config-service.js';
import { toStruct } from '../../src/api/struct.js';
import { describeChange } from '../../src/model/describe-change.js';
import {
  describeGrantChange,
  type Grant,
  hostsForAll,
  isNotableEndpoint,
  isReservedEndpoint,
  reachOf,
} from '../../src/model/grant.js';
import type { MeshService, ServiceKey } from '../../src/model/mesh-service.js';
import { serviceOfHost } from '../../src/model/service-hosts.js';
import type { Visibility } from '../access/caller.js';
import type { Configuration, ConfiguredService } from '../store/configuration.js';
import type { Difference } from '../store/edit.js';
import type { ServiceChange } from '../store/history.js';

/**
 * A service as the API tells of it.
 *
 * @param services all of them
 * @param whole with its document
 */
export function serviceMessage(
  key: ServiceKey,
  { service, record }: ConfiguredService,
  services: Configuration['services'],
  whole = true,
): ServiceMessage {
  const { spec } = service;
  const forAll = hostsForAll(spec, record.grant);
  const isTaken = (host: string) => {
    const owner = serviceOfHost(host);
    return owner !== undefined && owner !== key && services.has(owner);
  };
  return {
    key,
    document: whole ? toStruct(record.document) : {},
    revision: record.revision,
    file: record.source?.file ?? '',
    localHosts: spec.hosts.filter((host) => !forAll.includes(host) && !isTaken(host)),
    takenHosts: spec.hosts.filter(isTaken),
    ...reachMessage(spec, record.grant),
  };
}

/** Of what a service has beyond its namespace besides hosts, what is granted, and what is kept from clients. */
function reachMessage(
  spec: MeshService['spec'],
  grant: Grant | undefined,
): Pick<ServiceMessage, 'granted' | 'withheld'> {
  if (grant === undefined) return { granted: [], withheld: [] };
  const { endpoints, files } = reachOf(spec);
  const approved = new Set(grant.endpoints);
  const granted = [
    ...endpoints.filter((address) => approved.has(address) && isNotableEndpoint(address)),
    ...files.filter((file) => grant.files.includes(file)),
  ];
  return {
    granted,
    withheld: endpoints.filter((address) => !approved.has(address) && isReservedEndpoint(address)),
  };
}

/** The services of a namespace, or of all that are visible where it is empty, by key. */
export function listServices(
  configuration: Configuration,
  namespace: string,
  visible: Visibility,
): ListResponse {
  const services = [...configuration.services]
    .filter(
      ([, { service }]) =>
        (namespace === '' || service.namespace === namespace) && visible(service.namespace),
    )
    .map(([key, service]) => serviceMessage(key, service, configuration.services))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  return { services, revision: configuration.revision };
}

export function differenceMessage({
  key,
  before,
  after,
  grantBefore,
  grantAfter,
}: Difference): ServiceDifference {
  return {
    key,
    summary: [...describeChange(before, after), ...describeGrantChange(grantBefore, grantAfter)],
  };
}

/** @param documents with the document after the change */
export function historyMessage(change: ServiceChange, documents: boolean): HistoryEntryMessage {
  const { revision, at, action, by, key, before, after, grantAfter } = change;
  return {
    revision,
    fromRevision: before?.revision ?? 0,
    at,
    action,
    by,
    key,
    summary: [
      ...describeChange(before?.document, after ?? undefined),
      ...describeGrantChange(before?.grant, grantAfter),
    ],
    document: documents && after !== null ? toStruct(after) : null,
  };
}
