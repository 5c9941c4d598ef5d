import { anyTypeName, type Message, packAny, unpackAny } from './descriptors.js';
import { message, type Problems } from './fields.js';
import { refuseUnsupported } from './unsupported.js';

export const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/**
 * What the endpoints of a cluster are spoken to with: HTTP/1.1, or HTTP/2 where `HttpProtocolOptions` select it. Options
 * of the protocol itself, such as window sizes, are not honoured.
 */
export function readProtocol(raw: Message, problems: Problems): 'http1' | 'http2' {
  let protocol: 'http1' | 'http2' = 'http1';
  for (const [key, any] of Object.entries(message(raw.typedExtensionProtocolOptions) ?? {})) {
    const path = `typed_extension_protocol_options.${key}`;
    const options = unpackAny(any, HTTP_OPTIONS);
    if (options === undefined) problems.add(path, `${anyTypeName(any)} is not supported`);
    else protocol = readHttpOptions(options, path, problems);
  }
  return protocol;
}

function readHttpOptions(options: Message, path: string, problems: Problems): 'http1' | 'http2' {
  refuseUnsupported(HTTP_OPTIONS, options, path, problems);
  const explicit = message(options.explicitHttpConfig) ?? {};
  const at = `${path}.explicit_http_config`;
  refuseUnsupported(`${HTTP_OPTIONS}.ExplicitHttpConfig`, explicit, at, problems);
  return explicit.http2ProtocolOptions === undefined ? 'http1' : 'http2';
}

/** A message without fields, of a type that is not among the descriptors. */
const NO_OPTIONS = new Uint8Array();

/** `typed_extension_protocol_options` of a cluster whose endpoints speak HTTP/2. */
export function http2Options(): object {
  const options = packAny(HTTP_OPTIONS, { explicitHttpConfig: { http2ProtocolOptions: NO_OPTIONS } });
  return { typedExtensionProtocolOptions: { [HTTP_OPTIONS]: options } };
}
