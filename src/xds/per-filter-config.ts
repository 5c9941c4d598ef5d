import { type AnyMessage, anyTypeName, type Message, unpackAny } from './descriptors.js';
import { message, type Problems } from './fields.js';
import { FILTER_CONFIG_TYPE } from './policy.js';
import { refuseUnsupported } from './unsupported.js';

/** One entry of a `typed_per_filter_config`. */
export interface FilterEntry {
  readonly filter: string;
  /** Undefined: none. */
  readonly config: AnyMessage | undefined;
  /** The filter is turned off. */
  readonly disabled: boolean;
  /** Who does not know it may pass it over. */
  readonly optional: boolean;
}

export function filterEntries(perFilterConfig: unknown, path: string, problems: Problems): FilterEntry[] {
  return Object.entries(message(perFilterConfig) ?? {}).map(([filter, any]) => {
    const wrapper = unpackAny(any, FILTER_CONFIG_TYPE);
    if (wrapper === undefined) return { filter, config: any as AnyMessage, disabled: false, optional: false };
    refuseUnsupported(FILTER_CONFIG_TYPE, wrapper, `${path}.typed_per_filter_config.${filter}`, problems);
    return {
      filter,
      config: message(wrapper.config) as AnyMessage | undefined,
      disabled: wrapper.disabled === true,
      optional: wrapper.isOptional === true,
    };
  });
}

/**
 * The configuration of a filter, which is told by its type: names are whatever the listener calls its filters.
 *
 * @param name what the filter is usually called; its entry can be one that only turns it off
 */
export function findFilterConfig(
  entries: readonly FilterEntry[],
  name: string,
  typeName: string,
): Message | 'disabled' | undefined {
  for (const { filter, config, disabled } of entries) {
    const found = config && unpackAny(config, typeName);
    if (disabled && (found !== undefined || filter === name)) return 'disabled';
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A filter that we do not have must not be passed over, unless it says that it may be, or is off. */
export function refuseOtherFilters(
  entries: readonly FilterEntry[],
  known: ReadonlySet<string>,
  path: string,
  problems: Problems,
): void {
  for (const { filter, config, disabled, optional } of entries) {
    if (disabled || optional || known.has(anyTypeName(config))) continue;
    problems.add(`${path}.typed_per_filter_config.${filter}`, `${anyTypeName(config)} is not supported here`);
  }
}
