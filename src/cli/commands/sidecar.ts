import { setFlagsFromString } from 'node:v8';
import type { Command } from 'commander';
import { ACCESS_LOG_LEVELS } from '../../../sidecar/records/access-log.js';
import { type SocketAddress, splitHostPort } from '../../model/formats.js';
import { isLoopback } from '../../net/ip-address.js';
import { hasIpv6 } from '../../redirect/tools.js';
import { createLogger } from '../../telemetry/logger.js';
import { openStandardOutput } from '../../telemetry/standard-output.js';
import { EXIT } from '../exit.js';
import {
  addFlags,
  dialAddress,
  dialAddresses,
  durationBetween,
  durationMs,
  FlagError,
  type Flags,
  isSwitch,
  listenAddress,
  oneOf,
  portList,
  readFlags,
  serviceName,
  text,
  UsageError,
  type Values,
  wholeNumber,
} from '../flags.js';
import { runUntilSignalled } from '../run-process.js';
import { DEPENDENCY_FLAGS, dependenciesOf } from './dependency-flags.js';
import { LOG_FLAGS } from './log-flags.js';
import { SIDECAR_SECURITY_FLAGS, securityOf } from './security-flags.js';
import { BOUND_FLAGS, limitsOf } from './sidecar-bounds.js';
import { readDiscovery } from './sidecar-discovery.js';
import {
  SESSION_STORE_FLAGS,
  sessionStoreOf,
  sessionStoreProblems,
  showsPassword,
} from './sidecar-session-store.js';

/**
 * Requests leave nothing behind, so that a young generation that never grows is collected as cheaply and saves up
 * to 30 MB beside every pod (docs/performance.md).
 */
const KEEP_YOUNG_GENERATION_SMALL = '--semi-space-growth-factor=1';

/** How long the reader of the log may take for the last of it. */
const LAST_LINES_MS = 1000;

/** A sidecar that has stopped ends by itself; this is how long it may take. */
const LEFT_OPEN_MS = 1000;

const FLAGS = {
  service: {
    name: 'service',
    argument: 'NAME[.NAMESPACE]',
    help: 'the service this sidecar runs beside; it need not be declared',
    required: true,
    parse: serviceName,
  },
  release: {
    name: 'release',
    argument: 'RELEASE',
    help: 'the release this pod belongs to, for people to see',
    default: '',
    parse: text,
  },
  controlPlane: {
    name: 'control-plane',
    argument: 'HOST:PORT[,HOST:PORT…]',
    help: 'address of the control plane; of several over one store, one is used and the next takes over when it fails; by default the first server of the gRPC bootstrap that GRPC_XDS_BOOTSTRAP or GRPC_XDS_BOOTSTRAP_CONFIG has, with its credentials, else 127.0.0.1:15010',
    parse: dialAddresses,
  },
  ...SIDECAR_SECURITY_FLAGS,
  xdsMode: {
    name: 'xds-mode',
    argument: 'delta|sotw',
    help: 'how configuration is asked for: what changed, or the state of the world',
    default: 'delta',
    parse: oneOf(['delta', 'sotw']),
  },
  ...DEPENDENCY_FLAGS,
  outbound: {
    name: 'outbound',
    argument: 'HOST:PORT',
    help: "where the app's calls to other services arrive",
    default: '127.0.0.1:15001',
    parse: listenAddress,
  },
  inbound: {
    name: 'inbound',
    argument: 'HOST:PORT',
    help: "where other pods' calls to the app arrive",
    default: '127.0.0.1:15006',
    parse: listenAddress,
  },
  app: {
    name: 'app',
    argument: 'HOST:PORT',
    help: 'where the app takes calls',
    default: '127.0.0.1:8080',
    parse: dialAddress,
  },
  admin: {
    name: 'admin',
    argument: 'HOST:PORT',
    help: '/live, /ready, /metrics, /config_dump, /clusters, /debug/requests, /drain; keep it on loopback',
    default: '127.0.0.1:15000',
    parse: listenAddress,
  },
  metrics: {
    name: 'metrics',
    argument: 'HOST:PORT',
    help: '/live, /ready and /metrics for scrapers and probes from outside (usually 0.0.0.0:15020)',
    parse: listenAddress,
  },
  intercept: {
    name: 'intercept',
    help: 'connections arrive redirected ("roost redirect"): ask the kernel where they were going. --outbound and --inbound then take both IPv4 and IPv6, --outbound only from this machine, --inbound from all others; --app is used only for connections that were not redirected. Linux only',
    default: 'false',
    parse: isSwitch,
  },
  opaquePorts: {
    name: 'opaque-ports',
    argument: 'PORT[,PORT…]',
    help: 'destination ports whose bytes are carried as they are, at once: their servers speak first, or are not HTTP',
    default: '25,587,3306,4444,5432,6379,9300,11211',
    parse: portsOrNone,
  },
  sniffTimeout: {
    name: 'sniff-timeout',
    argument: 'DURATION',
    help: 'a client that is silent for so long waits for its server to speak first: its bytes are carried as they are',
    default: '100ms',
    parse: durationBetween('1ms', '1m'),
  },
  tcpProbes: {
    name: 'tcp-probes',
    argument: 'PORT[,PORT…]',
    help: 'ports of the app for which --metrics answers /app-port/PORT: 200 if the app listens, else 503; for TCP probes of Kubernetes',
    repeatable: true,
    parse: portList,
  },
  csds: {
    name: 'csds',
    argument: 'HOST:PORT',
    help: 'serve by gRPC what /client_status shows (CSDS), for grpcdebug and its like; in plain text, for loopback',
    parse: listenAddress,
  },
  unknown: {
    name: 'unknown',
    argument: 'passthrough|deny',
    help: 'what becomes of calls to hosts that no service declares and whose destination is known: named by CONNECT or in absolute form as to a proxy, or redirected here',
    default: 'passthrough',
    parse: oneOf(['passthrough', 'deny']),
  },
  resolve: {
    name: 'resolve',
    argument: 'HOST:PORT=ADDRESS:PORT[+ADDRESS:PORT…]',
    help: 'answer this DNS name from here instead of asking',
    repeatable: true,
    parse: resolveEntry,
  },
  workers: {
    name: 'workers',
    argument: 'N',
    help: 'threads that carry requests, for more than one core; sessions, limits and figures are those of one sidecar; more than 1 on Linux only',
    default: '1',
    parse: wholeNumber(1, 64),
  },
  sessionTableSize: {
    name: 'session-table-size',
    argument: 'N',
    help: 'sessions remembered for callers without a cookie jar; the least recently used give way',
    default: '100000',
    parse: wholeNumber(1, 10_000_000),
  },
  ...SESSION_STORE_FLAGS,
  stateDir: {
    name: 'state-dir',
    argument: 'DIR',
    help: 'folder that keeps the last good configuration, to start from while no control plane answers; without it, a restarted sidecar waits for one',
    default: '',
    parse: text,
  },
  drainGrace: {
    name: 'drain-grace',
    argument: 'DURATION',
    help: 'how long new connections from other pods are still taken after SIGTERM, and idle ones left open',
    default: '5s',
    parse: durationMs,
  },
  drainTimeout: {
    name: 'drain-timeout',
    argument: 'DURATION',
    help: 'how long requests may finish after SIGTERM, grace included',
    default: '15s',
    parse: durationMs,
  },
  ...BOUND_FLAGS,
  accessLog: {
    name: 'access-log',
    argument: ACCESS_LOG_LEVELS.join('|'),
    help: 'a line of JSON on standard output for no request, for those that failed, or for all',
    default: 'errors',
    parse: oneOf(ACCESS_LOG_LEVELS),
  },
  debugSample: {
    name: 'debug-sample',
    argument: 'N',
    help: 'of a busy sidecar, /debug/requests shows one request in N, and all that failed',
    default: '1000',
    parse: wholeNumber(1, 1_000_000),
  },
  ...LOG_FLAGS,
} as const satisfies Flags;

export function addSidecar(program: Command): void {
  const command = program
    .command('sidecar')
    .summary('run a sidecar beside an app')
    .description(
      "Runs a sidecar: carries the app's calls to the releases that the control plane names, and other pods' calls to the app.",
    )
    .addHelpText(
      'after',
      '\nExample:\n  roost sidecar --service checkout.shop --release v1 --control-plane 10.0.0.5:15010 --inbound 0.0.0.0:15006 --app 127.0.0.1:8080',
    );
  addFlags(command, FLAGS).action(async () => {
    const flags = readFlags(command, FLAGS);
    const problems = sessionStoreProblems(flags);
    if (problems.length > 0) throw new UsageError(problems, command);
    setFlagsFromString(KEEP_YOUNG_GENERATION_SMALL);
    const { Sidecar } = await import('../../../sidecar/sidecar.js');
    const output = openStandardOutput();
    const log = createLogger('sidecar', flags.logLevel, output.urgent, flags.logFormat).child({
      service: `${flags.service.name}.${flags.service.namespace}`,
    });
    if (showsPassword(process.argv))
      log.warn(
        'the command line shows the password of the session store to every process; use --session-store-password-file',
      );
    const security = securityOf({ ...flags, ca: flags.controlPlaneCa });
    const discovery = await readDiscovery({ controlPlanes: flags.controlPlane, security });
    await runUntilSignalled(() => Sidecar.start({ ...toOptions(flags), ...discovery }, log, output));
    // Output without a reader must not keep the process from ending, nor anything that was left open by mistake.
    if (!(await output.drain(LAST_LINES_MS))) process.exit(EXIT.done);
    setTimeout(() => process.exit(EXIT.done), LEFT_OPEN_MS).unref();
  });
}

function toOptions(flags: Values<typeof FLAGS>) {
  return {
    ...flags,
    dependencies: dependenciesOf(flags),
    ...(flags.intercept ? redirectedListeners(flags) : {}),
    sniffTimeoutMs: flags.sniffTimeout,
    passthrough: flags.unknown === 'passthrough',
    resolve: new Map(flags.resolve),
    tcpProbes: flags.tcpProbes.flat(),
    drainGraceMs: flags.drainGrace,
    drainTimeoutMs: flags.drainTimeout,
    limits: limitsOf(flags),
    sessionStore: sessionStoreOf(flags),
  };
}

/**
 * The kernel redirects the app's connections to loopback, and others' to the address that they came to, of IPv4 or
 * IPv6. A loopback address of either family stands for what that takes; any other is taken as it is.
 */
function redirectedListeners({ outbound, inbound }: Pick<Values<typeof FLAGS>, 'outbound' | 'inbound'>) {
  const everyAddress = hasIpv6() ? '::' : '0.0.0.0';
  const widened = (address: SocketAddress) =>
    isLoopback(address.host) ? { ...address, host: everyAddress } : address;
  return { outbound: widened(outbound), inbound: widened(inbound) };
}

function portsOrNone(value: string): readonly number[] {
  return value.trim() === '' ? [] : portList(value);
}

function resolveEntry(value: string): readonly [string, readonly SocketAddress[]] {
  const [name, list = ''] = value.split('=');
  const addresses = list.split('+').map(splitHostPort);
  if (splitHostPort(name ?? '') === undefined || addresses.includes(undefined)) {
    throw new FlagError(
      'is not a HOST:PORT=ADDRESS:PORT, such as checkout-v1:8080=127.0.0.1:9001+127.0.0.1:9002',
    );
  }
  return [name as string, addresses as SocketAddress[]];
}
