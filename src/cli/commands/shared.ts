import { userInfo } from 'node:os';
import type { ChangeResponse } from '../../api/config-service.js';
import { describeReach, failureOf, followClients, reachJson } from '../await-clients.js';
import type { ControlPlaneClient, ControlPlaneTarget } from '../client.js';
import {
  dialAddresses,
  durationBetween,
  type Flags,
  isSwitch,
  oneOf,
  text,
  type Values,
  wholeNumber,
} from '../flags.js';
import { print, printJson } from '../terminal.js';
import { CLIENT_SECURITY_FLAGS, securityOf } from './security-flags.js';

/** What every command that talks to a control plane takes. */
export const CLIENT_FLAGS = {
  controlPlane: {
    name: 'control-plane',
    argument: 'HOST:PORT[,HOST:PORT…]',
    help: 'address of the control plane; of several over one store, the first that answers is used',
    default: '127.0.0.1:15010',
    parse: dialAddresses,
  },
  connectTimeout: {
    name: 'connect-timeout',
    argument: 'DURATION',
    help: 'how long to try a control plane that is not there, or not yet; 0s: once',
    default: '10s',
    parse: durationBetween('0s', '10m'),
  },
  ...CLIENT_SECURITY_FLAGS,
} as const satisfies Flags;

export const OUTPUT_FLAG = {
  output: {
    name: 'output',
    short: 'o',
    argument: 'FORMAT',
    help: 'text or json',
    default: 'text',
    parse: oneOf(['text', 'json']),
  },
} as const satisfies Flags;

/** What every command takes that is told the name of a service. */
export const NAMESPACE_FLAG = {
  namespace: {
    name: 'namespace',
    short: 'n',
    argument: 'NAME',
    help: 'namespace of the service, where its name has none (default: default)',
    default: '',
    parse: text,
  },
} as const satisfies Flags;

/** The name of a service with the namespace that a command was told; one in the name itself counts first. */
export function qualifiedName(name: string, namespace: string): string {
  return namespace === '' || /[./]/.test(name) ? name : `${namespace}/${name}`;
}

/** What an abort takes, done or only planned. */
export const DRAIN_FLAG = {
  drain: {
    name: 'drain',
    help: 'let the sessions that other releases have finish there',
    default: 'false',
    parse: isSwitch,
  },
} as const satisfies Flags;

export const LABELS_FLAG = {
  labels: {
    name: 'labels',
    help: 'lead the requests of routes and lanes that name another release to the stable one, too',
    default: 'false',
    parse: isSwitch,
  },
} as const satisfies Flags;

/** What every command takes that changes services one by one. */
export const FORCE_FLAG = {
  force: {
    name: 'force',
    help: 'change a service although a configuration file declares it: until that document changes in its file',
    default: 'false',
    parse: isSwitch,
  },
} as const satisfies Flags;

/** What every command that changes configuration takes. */
export const CHANGE_FLAGS = {
  ...CLIENT_FLAGS,
  ...OUTPUT_FLAG,
  actor: {
    name: 'actor',
    argument: 'NAME',
    help: 'who makes the change, for "roost history"; without it, the name of the user who runs the command',
    parse: text,
  },
  noWait: {
    name: 'no-wait',
    help: 'return as soon as it is stored, before the sidecars have it',
    default: 'false',
    parse: isSwitch,
  },
  timeout: {
    name: 'timeout',
    argument: 'DURATION',
    help: 'how long to wait for the sidecars',
    default: '30s',
    parse: durationBetween('1ms', '10m'),
  },
} as const satisfies Flags;

/** What commands take that show something which changes. */
export const WATCH_FLAG = {
  watch: {
    name: 'watch',
    short: 'w',
    help: 'show it again whenever it changes, until you press Ctrl-C',
    default: 'false',
    parse: isSwitch,
  },
} as const satisfies Flags;

const WATCH_INTERVAL_MS = 2000;
const CLEAR_SCREEN = '\x1b[2J\x1b[H';

/**
 * Shows something, and with `--watch` again whenever it has changed; on a terminal in the same place.
 *
 * @param read what is to be shown, and how to show it
 */
export async function showAndWatch(
  watch: boolean,
  read: () => Promise<{ state: unknown; show(): void }>,
): Promise<void> {
  let shown: string | undefined;
  for (;;) {
    const { state, show } = await read();
    const text = JSON.stringify(state);
    if (text !== shown) {
      if (watch && process.stdout.isTTY) process.stdout.write(CLEAR_SCREEN);
      show();
      shown = text;
    }
    if (!watch) return;
    await new Promise((resolve) => setTimeout(resolve, WATCH_INTERVAL_MS));
  }
}

/** Runs work with a connection that is closed afterwards. */
export async function withClient<T>(
  flags: Values<typeof CLIENT_FLAGS> & { readonly actor?: string | undefined },
  work: (client: ControlPlaneClient) => Promise<T>,
): Promise<T> {
  // Loaded for the commands that need it: it takes longer than all the rest.
  const [{ ControlPlaneClient }, { openChannelSecurity }] = await Promise.all([
    import('../client.js'),
    import('../../access/channel-security.js'),
  ]);
  const [first, ...others] = flags.controlPlane.map((address) => ({
    address,
    security: openChannelSecurity(securityOf(flags), address),
  })) as [ControlPlaneTarget, ...ControlPlaneTarget[]];
  const actor = flags.actor ?? userName();
  const client = new ControlPlaneClient(first.address, actor, first.security, {
    others,
    connectMs: flags.connectTimeout,
    onWaiting: (address) =>
      process.stderr.write(
        `roost: no control plane answers at ${address} yet; trying for ${flags.connectTimeout / 1000} s\n`,
      ),
  });
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/** Name of the user who runs the command; a container's user may have none. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.() ?? 'unknown'}`;
  }
}

/** Refuses a change where another editor was first. */
export const EXPECT_REVISION_FLAG = {
  expectRevision: {
    name: 'expect-revision',
    argument: 'N',
    help: 'refuse unless the service is at this revision, and tell what was changed since and by whom',
    parse: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  },
} as const satisfies Flags;

/** A change as `-o json` tells of it. */
export function changeJson({ revision, changed, services, differences, notes }: ChangeResponse): object {
  return { revision, changed, services: services.map(({ key }) => key), differences, notes };
}

/**
 * Tells the user what a change did, and waits for the sidecars unless told not to.
 *
 * @throws CommandError where not every sidecar is known to have it; `-o json` has been printed by then
 */
export async function reportChange(
  client: ControlPlaneClient,
  response: ChangeResponse,
  flags: Values<typeof CHANGE_FLAGS>,
  what: string,
): Promise<void> {
  const { revision, notes } = response;
  const reach = flags.noWait ? undefined : await followClients(client, revision, flags.timeout);
  const failure = reach && failureOf(reach, revision);
  if (flags.output === 'json')
    printJson({ ...changeJson(response), ...(reach && { clients: reachJson(reach) }) });
  else {
    if (failure === undefined)
      print(describeOutcome(what, response, reach ? describeReach(reach) : 'stored'));
    for (const note of notes) print(note);
  }
  if (failure !== undefined) throw failure;
}

function describeOutcome(what: string, { changed, revision }: ChangeResponse, outcome: string): string {
  return changed
    ? `${what}: revision ${revision}, ${outcome}`
    : `${what}: nothing to change, revision ${revision} is ${outcome}`;
}
