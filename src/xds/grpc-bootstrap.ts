import { SYSTEM_CA } from '../access/channel-security.js';
import { type SocketAddress, splitHostPort } from '../model/formats.js';
import { formatAddress } from '../net/ip-address.js';
import {
  type BootstrapOptions,
  type BootstrapSecurity,
  bootstrapNode,
  UnsupportedSecurityError,
} from './bootstrap-node.js';

/** gRPC's xDS bootstrap: the one that we print for others, and what our sidecar takes from the one that it finds. */

/**
 * A gRPC bootstrap (gRFC A27; TLS by A65). `locality` is there because grpc-js refuses a node without one; `xds_v3`
 * because older libraries speak version 2 unless told.
 *
 * @throws UnsupportedSecurityError
 */
export function grpcBootstrap(options: BootstrapOptions): object {
  const { host, port } = options.controlPlane;
  return {
    xds_servers: [
      {
        server_uri: formatAddress(host, port),
        channel_creds: [channelCredentials(options.security)],
        server_features: ['xds_v3'],
      },
    ],
    node: { ...bootstrapNode(options), locality: {} },
  };
}

function channelCredentials({ ca, clientCert, clientKey, tokenFile }: BootstrapSecurity): object {
  if (tokenFile !== '')
    throw new UnsupportedSecurityError(
      '--token-file: gRPC libraries have no way to send a token of ours (their files of tokens hold JWTs, gRFC A97); give the client a certificate instead, with --client-cert and --client-key',
    );
  if (ca === '') return { type: 'insecure' };
  const own = clientCert === '' ? {} : { certificate_file: clientCert, private_key_file: clientKey };
  return { type: 'tls', config: { ...(ca === SYSTEM_CA ? {} : { ca_certificate_file: ca }), ...own } };
}

/** What our sidecar takes from a gRPC bootstrap. */
export interface ReadBootstrap {
  readonly controlPlane: SocketAddress;
  /** Undefined: in plain text. */
  readonly security: BootstrapSecurity | undefined;
  readonly node: BootstrapNode;
  /** `server_features`: `ignore_resource_deletion` (gRFC A53). */
  readonly ignoresDeletion: boolean;
}

/** Empty texts, and members that are not there: not told. */
export interface BootstrapNode {
  readonly id: string;
  readonly cluster: string;
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string } | undefined;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** A gRPC bootstrap cannot be used; each line says what would be right. */
export class InvalidBootstrapError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join('; '));
    this.name = 'InvalidBootstrapError';
  }
}

type Json = Readonly<Record<string, unknown>>;

/** Reads a gRPC bootstrap: the first server, as grpc-js does. @throws InvalidBootstrapError with all that is wrong */
export function readGrpcBootstrap(json: string): ReadBootstrap {
  const problems: string[] = [];
  const root = objectOf(parseJson(json), 'the bootstrap', problems) ?? {};
  const [first] = listOf(root.xds_servers, 'xds_servers', problems);
  const server = objectOf(first, 'xds_servers[0]', problems) ?? {};
  const controlPlane = readServerUri(server.server_uri, problems);
  const security = readChannelCredentials(server, problems);
  const node = readNode(root.node, problems);
  const features = listOf(server.server_features, `${SERVER}.server_features`, problems);
  if (controlPlane === undefined || problems.length > 0) throw new InvalidBootstrapError(problems);
  // Other features are for other clients: a client passes over what it does not know.
  return { controlPlane, security, node, ignoresDeletion: features.includes('ignore_resource_deletion') };
}

const SERVER = 'xds_servers[0]';

function readServerUri(uri: unknown, problems: string[]): SocketAddress | undefined {
  const address = typeof uri === 'string' ? splitHostPort(uri.replace(/^dns:(?:\/\/\/)?/, '')) : undefined;
  if (address === undefined)
    problems.push(`${SERVER}.server_uri must be HOST:PORT or dns:///HOST:PORT; found ${shown(uri)}`);
  return address;
}

/** The first kind of credentials that we know, as gRFC A27 has it. */
function readChannelCredentials(server: Json, problems: string[]): BootstrapSecurity | undefined {
  const path = `${SERVER}.channel_creds`;
  const entries = listOf(server.channel_creds, path, problems).map((each, i) =>
    objectOf(each, `${path}[${i}]`, problems),
  );
  const known = entries.find((entry) => entry?.type === 'insecure' || entry?.type === 'tls');
  if (known === undefined) {
    const found = shown(entries.map((entry) => entry?.type));
    problems.push(`${path} must list { "type": "tls" } or { "type": "insecure" }; found ${found}`);
    return undefined;
  }
  const tokenFile = readTokenFile(server, problems);
  if (known.type === 'insecure')
    return tokenFile === '' ? undefined : { ca: '', clientCert: '', clientKey: '', tokenFile };
  const config = objectOf(known.config, `${path}[].config`, problems) ?? {};
  const file = (name: string) => textOf(config[name], `${path}[].config.${name}`, problems);
  return {
    ca: file('ca_certificate_file') || SYSTEM_CA,
    clientCert: file('certificate_file'),
    clientKey: file('private_key_file'),
    tokenFile,
  };
}

/** gRFC A97: the file's content is sent as a bearer token. Kinds that are not known are passed over. */
function readTokenFile(server: Json, problems: string[]): string {
  const path = `${SERVER}.call_creds`;
  const entries = listOf(server.call_creds, path, problems).map((each, i) =>
    objectOf(each, `${path}[${i}]`, problems),
  );
  const jwt = entries.find((entry) => entry?.type === 'jwt_token_file');
  const config = objectOf(jwt?.config, `${path}[].config`, problems) ?? {};
  return textOf(config.jwt_token_file, `${path}[].config.jwt_token_file`, problems);
}

function readNode(raw: unknown, problems: string[]): BootstrapNode {
  const node = objectOf(raw, 'node', problems) ?? {};
  const locality = objectOf(node.locality, 'node.locality', problems);
  const part = (name: string) => textOf(locality?.[name], `node.locality.${name}`, problems);
  return {
    id: textOf(node.id, 'node.id', problems),
    cluster: textOf(node.cluster, 'node.cluster', problems),
    locality: locality && { region: part('region'), zone: part('zone'), subZone: part('sub_zone') },
    metadata: objectOf(node.metadata, 'node.metadata', problems) ?? {},
  };
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new InvalidBootstrapError([`is not JSON: ${(cause as Error).message}`]);
  }
}

function objectOf(value: unknown, path: string, problems: string[]): Json | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  problems.push(`${path} must be an object; found ${shown(value)}`);
  return undefined;
}

function listOf(value: unknown, path: string, problems: string[]): readonly unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  problems.push(`${path} must be a list; found ${shown(value)}`);
  return [];
}

function textOf(value: unknown, path: string, problems: string[]): string {
  if (value === undefined) return '';
  if (typeof value === 'string') return value;
  problems.push(`${path} must be a text; found ${shown(value)}`);
  return '';
}

const MAX_SHOWN = 80;

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, MAX_SHOWN);
}
