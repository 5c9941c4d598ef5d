import type { TlsSpec } from '../../src/model/tls-schema.js';
import { packAny } from '../../src/xds/descriptors.js';
import { TLS_SOCKET_NAME, UPSTREAM_TLS_CONTEXT } from '../../src/xds/tls-config.js';

/** The cluster's `transport_socket`: endpoints reached over TLS. */
export function translateTls(tls: TlsSpec | undefined): object {
  if (tls === undefined) return {};
  const { serverName, ca, caFile, certFile, keyFile } = tls;
  const authorities =
    ca === undefined && caFile === undefined
      ? { systemRootCerts: {} }
      : { trustedCa: ca === undefined ? { filename: caFile } : { inlineString: ca } };
  const context = {
    sni: serverName,
    commonTlsContext: {
      alpnProtocols: ['http/1.1'],
      validationContext: {
        ...authorities,
        matchTypedSubjectAltNames: [{ sanType: 'DNS', matcher: { exact: serverName } }],
      },
      ...(certFile === undefined
        ? {}
        : {
            tlsCertificates: [
              { certificateChain: { filename: certFile }, privateKey: { filename: keyFile } },
            ],
          }),
    },
  };
  return {
    transportSocket: { name: TLS_SOCKET_NAME, typedConfig: packAny(UPSTREAM_TLS_CONTEXT, context) },
  };
}
