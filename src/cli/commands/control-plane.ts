import type { Command } from 'commander';
import { createLogger, LOG_LEVELS } from '../../telemetry/logger.js';
import { CommandError, EXIT } from '../exit.js';
import { addFlags, durationBetween, type Flags, listenAddress, oneOf, readFlags, text } from '../flags.js';
import { runUntilSignalled } from '../run-process.js';

const FLAGS = {
  config: {
    name: 'config',
    argument: 'PATH',
    help: 'YAML file or folder with MeshServices; reloaded when it changes',
    repeatable: true,
    parse: text,
  },
  dataDir: {
    name: 'data-dir',
    argument: 'DIR',
    help: 'folder that keeps the configuration; without it, it is lost with the process',
    default: '',
    parse: text,
  },
  grpc: {
    name: 'grpc',
    argument: 'HOST:PORT',
    help: 'where xDS and the configuration API are served',
    default: '127.0.0.1:15010',
    parse: listenAddress,
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
  logLevel: {
    name: 'log-level',
    argument: 'LEVEL',
    help: LOG_LEVELS.join(', '),
    default: 'info',
    parse: oneOf(LOG_LEVELS),
  },
} as const satisfies Flags;

export function addControlPlane(program: Command): void {
  const command = program
    .command('control-plane')
    .summary('run the control plane')
    .description(
      'Runs the control plane: takes configuration from files and from "roost apply", serves it to sidecars over xDS.',
    )
    .addHelpText('after', '\nExample:\n  roost control-plane --config shop.yaml --data-dir /var/lib/roost');
  addFlags(command, FLAGS).action(async () => {
    const flags = readFlags(command, FLAGS);
    const { ControlPlane, InvalidFilesError } = await import('../../../control-plane/control-plane.js');
    const log = createLogger('control-plane', flags.logLevel);
    try {
      await runUntilSignalled(() => ControlPlane.start(flags, log));
    } catch (error) {
      if (error instanceof InvalidFilesError)
        throw new CommandError(
          'the configuration files are not valid, and nothing is stored to serve instead',
          EXIT.usage,
          error.problems,
        );
      throw error;
    }
  });
}
