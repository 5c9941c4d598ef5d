import type { ListResponse, ServiceMessage } from '../../src/api/config-service.js';
import { toStruct } from '../../src/api/struct.js';
import type { ServiceKey } from '../../src/model/mesh-service.js';
import type { Visibility } from '../access/caller.js';
import type { Configuration, ConfiguredService } from '../store/config-store.js';

/** A service as the API tells of it. */
export function serviceMessage(key: ServiceKey, { record }: ConfiguredService): ServiceMessage {
  return {
    key,
    document: toStruct(record.document),
    revision: record.revision,
    file: record.source?.file ?? '',
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
    .map(([key, service]) => serviceMessage(key, service))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  return { services, revision: configuration.revision };
}
