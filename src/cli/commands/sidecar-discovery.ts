import { readFileSync } from 'node:fs';
import type { SidecarOptions } from '../../../sidecar/assembly/sidecar-options.js';
import type { ChannelSecurityOptions } from '../../access/channel-security.js';
import type { SocketAddress } from '../../model/formats.js';
import type { ReadBootstrap } from '../../xds/grpc-bootstrap.js';
import { CommandError, EXIT } from '../exit.js';

const DEFAULT_CONTROL_PLANE: SocketAddress = { host: '127.0.0.1', port: 15010 };

/** What the flags say about the control plane. */
interface FlaggedDiscovery {
  readonly controlPlanes: readonly SocketAddress[] | undefined;
  readonly security: ChannelSecurityOptions;
}

type Discovery = Pick<SidecarOptions, 'controlPlanes' | 'security' | 'node' | 'ignoresDeletion'>;

/**
 * Where configuration comes from. gRPC's bootstrap, a file that GRPC_XDS_BOOTSTRAP names, or the text of
 * GRPC_XDS_BOOTSTRAP_CONFIG (gRFC A27), says who one is, and which server to ask, with what credentials; but for
 * the server that --control-plane names, and the credentials that flags say.
 *
 * @throws CommandError with all that is wrong with the bootstrap
 */
export async function readDiscovery(
  { controlPlanes, security }: FlaggedDiscovery,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Discovery> {
  const bootstrap = await findBootstrap(environment);
  const node = bootstrap?.node;
  // What a bootstrap says of its server is not true of another.
  if (controlPlanes !== undefined || bootstrap === undefined)
    return {
      controlPlanes: controlPlanes ?? [DEFAULT_CONTROL_PLANE],
      security,
      ignoresDeletion: false,
      ...(node ? { node } : {}),
    };
  const { ignoresDeletion } = bootstrap;
  const said = Object.values(security).some((value) => value !== '');
  const from = said || bootstrap.security === undefined ? security : { ...bootstrap.security, token: '' };
  const { controlPlane } = bootstrap;
  return { controlPlanes: [controlPlane], security: from, ignoresDeletion, node: bootstrap.node };
}

async function findBootstrap({
  GRPC_XDS_BOOTSTRAP: file,
  GRPC_XDS_BOOTSTRAP_CONFIG: json,
}: NodeJS.ProcessEnv): Promise<ReadBootstrap | undefined> {
  if (!file && !json) return undefined;
  const { InvalidBootstrapError, readGrpcBootstrap } = await import('../../xds/grpc-bootstrap.js');
  const where = file ? `GRPC_XDS_BOOTSTRAP (${file})` : 'GRPC_XDS_BOOTSTRAP_CONFIG';
  try {
    return readGrpcBootstrap(file ? readFileSync(file, 'utf8') : (json as string));
  } catch (error) {
    if (!(error instanceof InvalidBootstrapError)) throw error;
    throw new CommandError(
      'nothing was started',
      EXIT.usage,
      error.problems.map((problem) => `${where}: ${problem}`),
    );
  }
}
