import { anyTypeName, type Message, unpackAny } from './descriptors.js';
import { message, type Problems, text } from './fields.js';
import { refuseUnsupported } from './unsupported.js';

const RAW_BUFFER = 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer';
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/**
 * Upstreams are spoken to in plain text and by HTTP/1.1; a cluster that wants anything else is refused, rather than
 * sent what it would not understand, or what was not to be read on the way.
 */
export function checkTransport(raw: Message, problems: Problems): void {
  checkTransportSocket(message(raw.transportSocket), problems);
  for (const [key, any] of Object.entries(message(raw.typedExtensionProtocolOptions) ?? {})) {
    const path = `typed_extension_protocol_options.${key}`;
    const options = unpackAny(any, HTTP_OPTIONS);
    if (options === undefined) problems.add(path, `${anyTypeName(any)} is not supported`);
    else checkHttpOptions(options, path, problems);
  }
}

function checkTransportSocket(socket: Message | undefined, problems: Problems): void {
  if (socket === undefined) return;
  refuseUnsupported('envoy.config.core.v3.TransportSocket', socket, 'transport_socket', problems);
  const typeName = anyTypeName(socket.typedConfig);
  if (typeName === RAW_BUFFER) return;
  problems.add('transport_socket', `${text(socket.name) || typeName} is not supported`);
}

function checkHttpOptions(options: Message, path: string, problems: Problems): void {
  refuseUnsupported(HTTP_OPTIONS, options, path, problems);
  const explicit = message(options.explicitHttpConfig) ?? {};
  refuseUnsupported(`${HTTP_OPTIONS}.ExplicitHttpConfig`, explicit, `${path}.explicit_http_config`, problems);
}
