import { messages, type Problems, wrappedBool } from './fields.js';
import { refuseUnsupported } from './unsupported.js';

/** A sidecar carries every upgrade (WebSocket and whatever else an app and its caller agree on): none can be off. */
export function readUpgrades(raw: unknown, typeName: string, path: string, problems: Problems): void {
  messages(raw).forEach((config, i) => {
    const at = `${path}.upgrade_configs[${i}]`;
    refuseUnsupported(typeName, config, at, problems);
    if (wrappedBool(config.enabled) === false)
      problems.add(`${at}.enabled`, 'must be true: every upgrade is carried');
  });
}
