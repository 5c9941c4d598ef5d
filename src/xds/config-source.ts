import { message, type Problems } from './fields.js';
import { refuseUnsupported } from './unsupported.js';

/** Everything comes over the one stream: what a resource names must be there, too. Absent means the same. */
export function checkConfigSource(raw: unknown, path: string, problems: Problems): void {
  refuseUnsupported('envoy.config.core.v3.ConfigSource', message(raw) ?? {}, path, problems);
}
