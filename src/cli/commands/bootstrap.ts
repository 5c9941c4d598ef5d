import { hostname } from 'node:os';
import type { Command } from 'commander';
import { checkTogether } from '../../access/channel-security.js';
import type { BootstrapOptions } from '../../xds/bootstrap-node.js';
import { CommandError, EXIT } from '../exit.js';
import {
  addFlags,
  dialAddress,
  type Flags,
  oneOf,
  readFlags,
  serviceName,
  text,
  type Values,
} from '../flags.js';
import { formatYaml } from '../format-yaml.js';
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
  ca: {
    ...CLIENT_FLAGS.ca,
    help: 'PEM file, as the client will read it, with the CA of the control plane\'s certificate; with it, TLS is used (port 15012); for gRPC also "system", those its machine trusts',
  },
  tokenFile: {
    ...CLIENT_FLAGS.tokenFile,
    help: 'file, as Envoy will read it, with its token; the token is not printed. gRPC libraries cannot send one: give them a certificate',
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
        '  roost bootstrap envoy --service checkout.shop --control-plane control-plane:15012 --ca ca.pem --token-file envoy.token > envoy.yaml\n' +
        '\nOf gRPC libraries, grpc-js (Node) has no TLS to its control plane: it needs the port in plain text.',
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
    const { grpcBootstrap } = await import('../../xds/grpc-bootstrap.js');
    show(await printable(flags, grpcBootstrap), flags.output);
  });
}

function addEnvoy(bootstrap: Command): void {
  const command = bootstrap
    .command('envoy')
    .summary('for Envoy: the file that --config-path names')
    .description("Prints Envoy's bootstrap: one listener for the app's calls, everything else by delta ADS.");
  addFlags(command, ENVOY_FLAGS).action(async () => {
    const flags = readFlags(command, ENVOY_FLAGS);
    const { envoyBootstrap } = await import('../../xds/envoy-bootstrap.js');
    const { outbound, admin } = flags;
    show(await printable(flags, (options) => envoyBootstrap({ ...options, outbound, admin })), flags.output);
  });
}

/** @throws CommandError where the client has no way to do what the flags ask for */
async function printable(
  flags: Values<typeof NODE_FLAGS>,
  make: (options: BootstrapOptions) => object,
): Promise<object> {
  const { UnsupportedSecurityError } = await import('../../xds/bootstrap-node.js');
  const { controlPlane, service, ca, clientCert, clientKey, tokenFile } = flags;
  const security = { ca, clientCert, clientKey, tokenFile };
  checkTogether({ ...security, token: '' }, controlPlane);
  try {
    return make({ controlPlane, service, security, node: flags.node || hostname() });
  } catch (error) {
    if (error instanceof UnsupportedSecurityError)
      throw new CommandError('nothing was printed', EXIT.usage, [error.message]);
    throw error;
  }
}

function show(bootstrap: object, format: 'json' | 'yaml'): void {
  if (format === 'json') printJson(bootstrap);
  else print(formatYaml(bootstrap).trimEnd());
}
