import { anyTypeName, type Message, unpackAny } from './descriptors.js';
import { message, type Problems } from './fields.js';
import { refuseUnsupported } from './unsupported.js';

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** Endpoints are spoken to by HTTP/1.1: a cluster that wants anything else would not understand. */
export function checkHttpVersion(raw: Message, problems: Problems): void {
  for (const [key, any] of Object.entries(message(raw.typedExtensionProtocolOptions) ?? {})) {
    const path = `typed_extension_protocol_options.${key}`;
    const options = unpackAny(any, HTTP_OPTIONS);
    if (options === undefined) problems.add(path, `${anyTypeName(any)} is not supported`);
    else checkHttpOptions(options, path, problems);
  }
}

function checkHttpOptions(options: Message, path: string, problems: Problems): void {
  refuseUnsupported(HTTP_OPTIONS, options, path, problems);
  const explicit = message(options.explicitHttpConfig) ?? {};
  const at = `${path}.explicit_http_config`;
  refuseUnsupported(`${HTTP_OPTIONS}.ExplicitHttpConfig`, explicit, at, problems);
}
