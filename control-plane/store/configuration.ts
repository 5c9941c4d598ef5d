import {
  type MeshService,
  parseMeshService,
  type ServiceKey,
  serviceKey,
} from '../../src/model/mesh-service.js';
import { InvalidResourceError, type Problem } from '../../src/model/problems.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { TranslateContext } from '../translate/policy.js';
import { type ConfigState, incarnationOf, type ServiceRecord } from './config-state.js';

/** A service as it is in force. */
export interface ConfiguredService {
  readonly service: MeshService;
  readonly record: ServiceRecord;
}

/** A service that is stored, and that this version cannot serve. */
export interface UnservedService {
  readonly record: ServiceRecord;
  readonly reason: string;
}

/** The configuration in force at one revision. Immutable. */
export interface Configuration {
  readonly revision: number;
  readonly services: ReadonlyMap<ServiceKey, ConfiguredService>;
  readonly unserved: ReadonlyMap<ServiceKey, UnservedService>;
  readonly pinSecret: Buffer;
}

/** What translation needs besides each service, by the records of services. */
export function recordContext(
  pinSecret: Buffer,
  recordOf: (key: ServiceKey) => ServiceRecord | undefined,
): TranslateContext {
  return {
    pinSecret,
    incarnation(service, release) {
      const record = recordOf(serviceKey(service));
      return record ? incarnationOf(record, release) : '';
    },
    rollout: (service) => recordOf(serviceKey(service))?.rollout,
    grantOf: (service) => recordOf(serviceKey(service))?.grant,
  };
}

/** What is wrong with a service for those who are to use it. */
export type RefusalsOf = (service: MeshService, context: TranslateContext) => readonly Problem[];

/** Makes configurations of states that were stored, by this control plane or another. */
export class ConfigurationReader {
  constructor(
    private readonly refusalsOf: RefusalsOf,
    private readonly log: Logger,
  ) {}

  /**
   * What is in force at a state. A stored service that this version cannot serve is left out, and the log says so.
   *
   * @param before what of it has been read already: records that are the same ones are not read again
   * @param checked services that have passed every check a moment ago, and are not checked again
   */
  read(
    state: ConfigState,
    before?: Configuration,
    checked: ReadonlyMap<ServiceKey, MeshService> = new Map(),
  ): Configuration {
    const services = new Map<ServiceKey, ConfiguredService>();
    const unserved = new Map<ServiceKey, UnservedService>();
    const context = recordContext(state.pinSecret, (key) => state.services.get(key));
    for (const [key, record] of state.services) {
      const known = before?.services.get(key) ?? before?.unserved.get(key);
      const service = checked.get(key);
      const read =
        known?.record === record
          ? known
          : service
            ? { service, record }
            : this.configured(key, record, context);
      if ('service' in read) services.set(key, read);
      else unserved.set(key, read);
    }
    return { revision: state.revision, services, unserved, pinSecret: state.pinSecret };
  }

  private configured(
    key: ServiceKey,
    record: ServiceRecord,
    context: TranslateContext,
  ): ConfiguredService | UnservedService {
    try {
      const service = parseMeshService(record.document);
      const problems = this.refusalsOf(service, context);
      if (problems.length > 0) throw new InvalidResourceError(problems);
      return { service, record };
    } catch (error) {
      this.log.error(
        { service: key, err: error },
        'a stored service is not valid any more and is not served',
      );
      return { record, reason: error instanceof Error ? error.message : String(error) };
    }
  }
}

/** Services that differ between two configurations, one of which may lack them. */
export function differingKeys(before: Configuration, after: Configuration): Set<ServiceKey> {
  // Another secret is another meaning of every pin.
  const all = !before.pinSecret.equals(after.pinSecret);
  const keys = new Set<ServiceKey>();
  for (const [key, { record }] of after.services)
    if (all || before.services.get(key)?.record !== record) keys.add(key);
  for (const key of before.services.keys()) if (!after.services.has(key)) keys.add(key);
  return keys;
}
