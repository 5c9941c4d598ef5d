import { anyTypeName, type Message, unpackAny } from './descriptors.js';
import { message, messages, type Problems, text } from './fields.js';
import { refuseUnsupported } from './unsupported.js';

/** Text that comes with the configuration, or is in a file on the client's machine. */
export type PemSource = { readonly pem: string } | { readonly file: string };

/** How a cluster's endpoints are reached over TLS. */
export interface UpstreamTlsConfig {
  /** SNI; empty: none. */
  readonly serverName: string;
  /** Names of which the certificate must have one; none: any certificate of a trusted authority will do. */
  readonly acceptedNames: readonly string[];
  /** Authorities; undefined: those that the client trusts anyhow. */
  readonly ca: PemSource | undefined;
  /** What the client shows of itself. */
  readonly certificate: { readonly chainFile: string; readonly keyFile: string } | undefined;
}

export const TLS_SOCKET_NAME = 'envoy.transport_sockets.tls';
export const UPSTREAM_TLS_CONTEXT = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';

const RAW_BUFFER = 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer';
const TLS_PACKAGE = 'envoy.extensions.transport_sockets.tls.v3';
const VALIDATION_TYPE = `${TLS_PACKAGE}.CertificateValidationContext`;

/**
 * A cluster's `transport_socket`. What would have the client trust more than it says is refused, as is what it
 * cannot do: secrets by discovery, name patterns, pins of keys.
 */
export function readUpstreamTls(raw: Message, problems: Problems): UpstreamTlsConfig | undefined {
  const socket = message(raw.transportSocket);
  if (socket === undefined || anyTypeName(socket.typedConfig) === RAW_BUFFER) return undefined;
  refuseUnsupported('envoy.config.core.v3.TransportSocket', socket, 'transport_socket', problems);
  const context = unpackAny(socket.typedConfig ?? {}, UPSTREAM_TLS_CONTEXT);
  if (context === undefined) {
    problems.add('transport_socket', `${text(socket.name) || 'it'} is not supported; use ${TLS_SOCKET_NAME}`);
    return undefined;
  }
  const path = 'transport_socket';
  refuseUnsupported(UPSTREAM_TLS_CONTEXT, context, path, problems);
  const common = message(context.commonTlsContext) ?? {};
  refuseUnsupported(`${TLS_PACKAGE}.CommonTlsContext`, common, `${path}.common_tls_context`, problems);
  const validation = message(common.validationContext) ?? {};
  const validationPath = `${path}.common_tls_context.validation_context`;
  refuseUnsupported(VALIDATION_TYPE, validation, validationPath, problems);
  const trusted = message(validation.trustedCa);
  if (trusted === undefined && message(validation.systemRootCerts) === undefined)
    problems.add(validationPath, 'names no authority; give trusted_ca or system_root_certs');
  return {
    serverName: text(context.sni),
    acceptedNames: readNames(validation, validationPath, problems),
    ca: trusted && readPem(trusted, `${validationPath}.trusted_ca`, problems),
    certificate: readCertificate(common, `${path}.common_tls_context.tls_certificates`, problems),
  };
}

function readNames(validation: Message, path: string, problems: Problems): string[] {
  return messages(validation.matchTypedSubjectAltNames).map((name, i) => {
    const at = `${path}.match_typed_subject_alt_names[${i}]`;
    refuseUnsupported(`${TLS_PACKAGE}.SubjectAltNameMatcher`, name, at, problems);
    const exact = text(message(name.matcher)?.exact);
    if (exact === '' || (name.sanType !== 'DNS' && name.sanType !== 'IP_ADDRESS'))
      problems.add(at, 'must be an exact DNS or IP_ADDRESS');
    return exact;
  });
}

function readPem(source: Message, path: string, problems: Problems): PemSource {
  refuseUnsupported('envoy.config.core.v3.DataSource', source, path, problems);
  const pem = text(source.inlineString) || bytesText(source.inlineBytes);
  if (pem !== '') return { pem };
  return { file: readFile(source, path, problems) };
}

function bytesText(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : '';
}

function readFile(source: Message | undefined, path: string, problems: Problems): string {
  const file = text(source?.filename);
  if (file === '') problems.add(path, 'must be a filename');
  return file;
}

/** By file only: what is in the configuration can be read by every reader of the configuration. */
function readCertificate(
  common: Message,
  path: string,
  problems: Problems,
): UpstreamTlsConfig['certificate'] {
  const [certificate, another] = messages(common.tlsCertificates);
  if (certificate === undefined) return undefined;
  if (another !== undefined) problems.add(path, 'more than one is not supported');
  refuseUnsupported(`${TLS_PACKAGE}.TlsCertificate`, certificate, `${path}[0]`, problems);
  return {
    chainFile: readFile(message(certificate.certificateChain), `${path}[0].certificate_chain`, problems),
    keyFile: readFile(message(certificate.privateKey), `${path}[0].private_key`, problems),
  };
}
