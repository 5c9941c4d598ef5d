import type { Dependencies } from '../../../sidecar/discovery/listener-demand.js';
import { normalAuthority } from '../../http/authority.js';
import { mayBeServiceHost } from '../../model/service-hosts.js';
import { durationMs, FlagError, type Flags, isSwitch, type Values, wholeNumber } from '../flags.js';

/** What a sidecar asks for, where it is not the whole mesh. */
export const DEPENDENCY_FLAGS = {
  dependsOn: {
    name: 'depends-on',
    argument: 'HOST[,HOST…]',
    help: 'what the app calls, as it calls it (a, b.shop, pay.internal): only that is asked for and held',
    repeatable: true,
    parse: hosts,
  },
  onDemand: {
    name: 'on-demand',
    help: 'ask for a host when it is called first, which waits for the answer; what is not called any more is given up',
    default: 'false',
    parse: isSwitch,
  },
  onDemandWait: {
    name: 'on-demand-wait',
    argument: 'DURATION',
    help: 'how long a first call waits at most',
    default: '3s',
    parse: durationMs,
  },
  onDemandIdle: {
    name: 'on-demand-idle',
    argument: 'DURATION',
    help: 'a host without a call for so long is given up',
    default: '10m',
    parse: durationMs,
  },
  onDemandNames: {
    name: 'on-demand-names',
    argument: 'N',
    help: 'hosts held at once; of more, those that the control plane does not know give way, and further calls are answered 503',
    default: '1000',
    parse: wholeNumber(1, 100_000),
  },
} as const satisfies Flags;

/** Undefined: everything is asked for. */
export function dependenciesOf(flags: Values<typeof DEPENDENCY_FLAGS>): Dependencies | undefined {
  const names = flags.dependsOn.flat();
  if (names.length === 0 && !flags.onDemand) return undefined;
  const limits = {
    waitMs: flags.onDemandWait,
    idleMs: flags.onDemandIdle,
    maxNames: flags.onDemandNames,
  };
  return { names: [...new Set(names)], onDemand: flags.onDemand ? limits : undefined };
}

function hosts(value: string): readonly string[] {
  const names = value.split(',').map((name) => normalAuthority(name.trim()) ?? name.trim());
  const wrong = names.find((name) => !mayBeServiceHost(name));
  if (wrong !== undefined)
    throw new FlagError(
      `has ${wrong === '' ? 'an empty name' : `"${wrong}"`}, which is not a host that a service can have, such as checkout, checkout.shop or pay.internal:8080`,
    );
  return names;
}
