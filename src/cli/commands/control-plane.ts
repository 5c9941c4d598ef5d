import type { Command } from 'commander';
import type { SocketAddress } from '../../model/formats.js';
import { createLogger } from '../../telemetry/logger.js';
import { CommandError, EXIT } from '../exit.js';
import {
  addFlags,
  durationBetween,
  type Flags,
  isSwitch,
  listenAddress,
  readFlags,
  text,
  UsageError,
  type Values,
  wholeNumber,
} from '../flags.js';
import { runUntilSignalled } from '../run-process.js';
import { KUBERNETES_FLAGS, kubernetesOptions, kubernetesProblems } from './kubernetes-flags.js';
import { LOG_FLAGS } from './log-flags.js';
import { etcdOptions, STORE_FLAGS, storeProblems } from './store-flags.js';
import { WEBHOOK_FLAGS, webhookOptions, webhookProblems } from './webhook-flags.js';

const FLAGS = {
  config: {
    name: 'config',
    argument: 'PATH',
    help: 'YAML file or folder with MeshServices; reloaded when it changes',
    repeatable: true,
    parse: text,
  },
  configSettle: {
    name: 'config-settle',
    argument: 'DURATION',
    help: 'how long no --config file must declare a service before it is removed: a file that is being rewritten lacks some of them',
    default: '10s',
    parse: durationBetween('0s', '1h'),
  },
  dataDir: {
    name: 'data-dir',
    argument: 'DIR',
    help: 'folder that keeps the configuration; without it, it is lost with the process',
    default: '',
    parse: text,
  },
  ...STORE_FLAGS,
  ...KUBERNETES_FLAGS,
  replaceUnknown: {
    name: 'replace-unknown',
    help: 'sidecars that hold the configuration of another store drop what is not known here; without it they keep it, since this control plane may have lost its data',
    default: 'false',
    parse: isSwitch,
  },
  replica: {
    name: 'replica',
    argument: 'NAME',
    help: 'what "roost status" calls this control plane; without it, the name of the host',
    default: '',
    parse: text,
  },
  advertise: {
    name: 'advertise',
    argument: 'HOST:PORT',
    help: 'where other control planes over the store reach this one; without it, as --grpc (with --replica-ca: --grpc-tls) is bound',
    default: '',
    parse: text,
  },
  replicaCa: {
    name: 'replica-ca',
    argument: 'FILE',
    help: 'PEM file with the CA of the other control planes\' certificates, or "system"; with it, they are reached over TLS',
    default: '',
    parse: text,
  },
  grpc: {
    name: 'grpc',
    argument: 'HOST:PORT',
    help: 'where xDS and the configuration API are served in plain text; "off": not at all',
    default: '127.0.0.1:15010',
    parse: listenAddressOrOff,
  },
  grpcTls: {
    name: 'grpc-tls',
    argument: 'HOST:PORT',
    help: 'the same over TLS, with --tls-cert',
    default: '127.0.0.1:15012',
    parse: listenAddress,
  },
  tlsCert: {
    name: 'tls-cert',
    argument: 'FILE',
    help: 'certificate of --grpc-tls with its intermediates (PEM); read again when it changes, as the other files are',
    default: '',
    parse: text,
  },
  tlsKey: {
    name: 'tls-key',
    argument: 'FILE',
    help: 'key of --tls-cert (PEM)',
    default: '',
    parse: text,
  },
  tlsClientCa: {
    name: 'tls-client-ca',
    argument: 'FILE',
    help: 'CA of client certificates (PEM); who they belong to is in --tokens',
    default: '',
    parse: text,
  },
  tokens: {
    name: 'tokens',
    argument: 'FILE',
    help: 'credentials (YAML, see "roost token new"); with it, nothing is served without one',
    default: '',
    parse: text,
  },
  maxMessageBytes: {
    name: 'max-message-bytes',
    argument: 'N',
    help: 'largest message that is taken',
    default: '33554432',
    parse: wholeNumber(1024, 1_073_741_824),
  },
  callsPerSecond: {
    name: 'calls-per-second',
    argument: 'N',
    help: 'calls of the API that are taken from one address',
    default: '500',
    parse: wholeNumber(1, 1_000_000),
  },
  connectionsPerAddress: {
    name: 'connections-per-address',
    argument: 'N',
    help: 'connections that are taken from one address',
    default: '20000',
    parse: wholeNumber(1, 1_000_000),
  },
  http: {
    name: 'http',
    argument: 'HOST:PORT',
    help: 'where /ready and /metrics are served',
    default: '127.0.0.1:15014',
    parse: listenAddress,
  },
  loadReportInterval: {
    name: 'load-report-interval',
    argument: 'DURATION',
    help: 'how often sidecars report load',
    default: '5s',
    parse: durationBetween('100ms', '10m'),
  },
  ...WEBHOOK_FLAGS,
  ...LOG_FLAGS,
} as const satisfies Flags;

export function addControlPlane(program: Command): void {
  const command = program
    .command('control-plane')
    .summary('run the control plane')
    .description(
      'Runs the control plane: takes configuration from files and from "roost apply", serves it to sidecars over xDS.',
    )
    .addHelpText(
      'after',
      '\nExample:\n  roost control-plane --config shop.yaml --data-dir /var/lib/roost\n  roost control-plane --store etcd://10.0.0.5:2379,10.0.0.6:2379/roost',
    );
  addFlags(command, FLAGS).action(async () => {
    const flags = readFlags(command, FLAGS);
    const options = toOptions(flags, command);
    const { ControlPlane } = await import('../../../control-plane/control-plane.js');
    const { InvalidSourcesError } = await import('../../../control-plane/source/open-sources.js');
    const { InvalidCredentialsError } = await import('../../../control-plane/access/credentials.js');
    const log = createLogger('control-plane', flags.logLevel, undefined, flags.logFormat);
    try {
      await runUntilSignalled(() => ControlPlane.start(options, log));
    } catch (error) {
      if (error instanceof InvalidSourcesError)
        throw new CommandError(
          'the configuration files are not valid, and nothing is stored to serve instead',
          EXIT.usage,
          error.problems,
        );
      if (error instanceof InvalidCredentialsError)
        throw new CommandError('the credentials of --tokens are not valid', EXIT.usage, error.problems);
      throw error;
    }
  });
}

/** @throws UsageError naming every flag that another one lacks */
function toOptions(flags: Values<typeof FLAGS>, command: Command) {
  const { tlsCert, tlsKey, tlsClientCa, tokens, grpc } = flags;
  const problems = [
    [(tlsCert === '') !== (tlsKey === ''), '--tls-cert and --tls-key go together; one of them is missing'],
    [tlsClientCa !== '' && tlsCert === '', '--tls-client-ca needs --tls-cert and --tls-key'],
    [
      tlsClientCa !== '' && tokens === '',
      '--tls-client-ca needs --tokens, which says whose the certificates are',
    ],
    [grpc === undefined && tlsCert === '', '--grpc off needs --tls-cert: nothing would be served'],
    ...storeProblems(flags),
    ...kubernetesProblems(flags),
    ...webhookProblems(flags),
  ] as const;
  const found = problems.flatMap(([wrong, problem]) => (wrong ? [problem] : []));
  if (found.length > 0) throw new UsageError(found, command);
  return {
    ...flags,
    configSettleMs: flags.configSettle,
    etcd: etcdOptions(flags),
    kubernetes: kubernetesOptions(flags),
    webhook: webhookOptions(flags),
    tls: tlsCert === '' ? undefined : { cert: tlsCert, key: tlsKey, clientCa: tlsClientCa },
  };
}

function listenAddressOrOff(value: string): SocketAddress | undefined {
  return value === 'off' ? undefined : listenAddress(value);
}
