import { hostname } from 'node:os';
import type { Command } from 'commander';
import { stringify } from 'yaml';
import { addFlags, dialAddress, type Flags, oneOf, readFlags, serviceName, text } from '../flags.js';
import { print, printJson } from '../terminal.js';
import { CLIENT_FLAGS } from './shared.js';

const NODE_FLAGS = {
  ...CLIENT_FLAGS,
  // A bootstrap is for one; several behind one name or load balancer are one as well.
  controlPlane: {
    ...CLIENT_FLAGS.controlPlane,
    argument: 'HOST:PORT',
    help: 'address of the control plane',
    parse: dialAddress,
  },
  node: {
    name: 'node',
    argument: 'ID',
    help: 'names the client in "roost status"; by default the host',
    default: '',
    parse: text,
  },
  service: {
    name: 'service',
    argument: 'NAME[.NAMESPACE]',
    help: 'the service it runs beside; its namespace decides which bare names it can call',
    parse: serviceName,
  },
} as const satisfies Flags;

function formatFlag<const Default extends string>(format: Default) {
  return {
    output: {
      name: 'output',
      short: 'o',
      argument: 'FORMAT',
      help: 'json or yaml',
      default: format,
      parse: oneOf(['json', 'yaml']),
    },
  } as const satisfies Flags;
}

const GRPC_FLAGS = { ...NODE_FLAGS, ...formatFlag('json') } as const satisfies Flags;

const ENVOY_FLAGS = {
  ...NODE_FLAGS,
  outbound: {
    name: 'outbound',
    argument: 'HOST:PORT',
    help: "where the app's calls to other services arrive",
    default: '127.0.0.1:15001',
    parse: dialAddress,
  },
  admin: {
    name: 'admin',
    argument: 'HOST:PORT',
    help: "Envoy's administration",
    default: '127.0.0.1:15000',
    parse: dialAddress,
  },
  ...formatFlag('yaml'),
} as const satisfies Flags;

export function addBootstrap(program: Command): void {
  const command = program
    .command('bootstrap')
    .enablePositionalOptions()
    .summary('print what makes other xDS clients use this control plane')
    .description(
      'Prints the configuration with which gRPC or Envoy takes its own from a Roost control plane.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  roost bootstrap grpc --control-plane 10.0.0.5:15010 > bootstrap.json\n' +
        '  roost bootstrap envoy --service checkout.shop --control-plane 10.0.0.5:15010 > envoy.yaml',
    );
  addGrpc(command);
  addEnvoy(command);
}

function addGrpc(bootstrap: Command): void {
  const command = bootstrap
    .command('grpc')
    .summary('for gRPC libraries: the file that GRPC_XDS_BOOTSTRAP names')
    .description(
      'Prints the file that GRPC_XDS_BOOTSTRAP names. Applications then dial xds:///checkout.shop.',
    );
  addFlags(command, GRPC_FLAGS).action(async () => {
    const flags = readFlags(command, GRPC_FLAGS);
    const { grpcBootstrap } = await import('../../xds/bootstrap.js');
    show(grpcBootstrap({ ...flags, node: flags.node || hostname() }), flags.output);
  });
}

function addEnvoy(bootstrap: Command): void {
  const command = bootstrap
    .command('envoy')
    .summary('for Envoy: the file that --config-path names')
    .description("Prints Envoy's bootstrap: one listener for the app's calls, everything else by delta ADS.");
  addFlags(command, ENVOY_FLAGS).action(async () => {
    const flags = readFlags(command, ENVOY_FLAGS);
    const { envoyBootstrap } = await import('../../xds/bootstrap.js');
    show(envoyBootstrap({ ...flags, node: flags.node || hostname() }), flags.output);
  });
}

function show(bootstrap: object, format: 'json' | 'yaml'): void {
  if (format === 'json') printJson(bootstrap);
  else print(stringify(bootstrap, { aliasDuplicateObjects: false }).trimEnd());
}
