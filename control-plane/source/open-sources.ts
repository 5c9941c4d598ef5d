import type { Logger } from '../../src/telemetry/logger.js';
import type { LiveEndpoints } from '../endpoints/live-endpoints.js';
import type { ConfigStore } from '../store/config-store.js';
import type { Editor } from '../store/editor.js';
import { type ConfigSource, ConfigSources } from './config-source.js';
import { FileSource } from './files/file-source.js';

/** Which sources there are. */
export interface SourceOptions {
  /** Files and folders of configuration; empty: none. */
  readonly config: readonly string[];
  /** How long no file must declare a service before it is removed; absent: 10 s. */
  readonly configSettleMs?: number;
}

/** What every source writes to. */
export interface SourceTarget {
  readonly store: ConfigStore;
  /** Endpoints that change on their own. */
  readonly endpoints: LiveEndpoints;
  readonly log: Logger;
  /** As whom the operator's own documents are put in force; undefined: callers need no credentials here. */
  readonly as: Editor | undefined;
}

const CONFIG_SETTLE_MS = 10_000;

/** The sources hold documents that are not valid, and no other configuration is there to serve. */
export class InvalidSourcesError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'InvalidSourcesError';
  }
}

/**
 * Constructs and starts every source. A source that is not valid does not keep the control plane from serving what its
 * store holds.
 *
 * @throws InvalidSourcesError, and what {@link ConfigSource.start} throws
 */
export async function openSources(options: SourceOptions, target: SourceTarget): Promise<ConfigSource> {
  const sources = new ConfigSources(sourcesOf(options, target));
  await sources.start();
  const { store, log } = target;
  const { problems } = sources;
  const isEmpty = store.current.services.size === 0;
  if (problems.length > 0 && isEmpty) throw new InvalidSourcesError(problems);
  if (problems.length > 0)
    log.error(
      { problems },
      'the configuration is not valid; the control plane serves what was stored before',
    );
  else if (isEmpty && options.config.length > 0)
    log.warn({ config: options.config }, 'the configuration files declare no service');
  return sources;
}

function sourcesOf({ config, configSettleMs }: SourceOptions, target: SourceTarget): ConfigSource[] {
  const log = target.log.child({ component: 'files' });
  const settleMs = configSettleMs ?? CONFIG_SETTLE_MS;
  return config.length === 0 ? [] : [new FileSource({ ...target, log, paths: config, settleMs })];
}
