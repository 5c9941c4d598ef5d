import t from 'tap';
import { translateTls } from '../../../../control-plane/translate/tls-context.js';
import type { TlsSpec } from '../../../../src/model/tls-schema.js';
import { type Message, packAny } from '../../../../src/xds/descriptors.js';
import { Problems } from '../../../../src/xds/fields.js';
import { readUpstreamTls, UPSTREAM_TLS_CONTEXT } from '../../../../src/xds/tls-config.js';

function read(raw: object) {
  const problems = new Problems();
  return { config: readUpstreamTls(raw as Message, problems), problems: problems.found };
}

const socketOf = (context: object) => ({
  transportSocket: { name: 'tls', typedConfig: packAny(UPSTREAM_TLS_CONTEXT, context) },
});

t.test('a sidecar reads what the control plane writes', async (t) => {
  const name = 'checkout.internal';
  const cases: [TlsSpec | undefined, object | undefined][] = [
    [undefined, undefined],
    [
      { serverName: name, ca: undefined, caFile: undefined, certFile: undefined, keyFile: undefined },
      { serverName: name, acceptedNames: [name], ca: undefined, certificate: undefined },
    ],
    [
      { serverName: name, ca: '-----BEGIN…', caFile: undefined, certFile: '/c.pem', keyFile: '/k.pem' },
      { ca: { pem: '-----BEGIN…' }, certificate: { chainFile: '/c.pem', keyFile: '/k.pem' } },
    ],
    [
      { serverName: name, ca: undefined, caFile: '/ca.pem', certFile: undefined, keyFile: undefined },
      { ca: { file: '/ca.pem' }, certificate: undefined },
    ],
  ];
  for (const [spec, expected] of cases) {
    const { config, problems } = read(translateTls(spec));
    t.strictSame(problems, []);
    if (expected === undefined) t.equal(config, undefined);
    else t.match(config, expected);
  }
});

t.test('from other control planes: what it would not do as it is asked to is refused by name', async (t) => {
  const trusted = { trustedCa: { filename: '/ca.pem' } };
  const cases: [object, RegExp][] = [
    [
      {
        transportSocket: {
          name: 'envoy.transport_sockets.alts',
          typedConfig: packAny('google.protobuf.Empty', {}),
        },
      },
      /alts is not supported/,
    ],
    [{ transportSocket: { name: 'raw' } }, /transport_socket: raw is not supported/],
    [socketOf({}), /names no authority/],
    [socketOf({ commonTlsContext: { validationContext: {} } }), /names no authority/],
    [
      socketOf({ commonTlsContext: { validationContextSdsSecretConfig: Buffer.from([10, 1, 97]) } }),
      /validation_context_sds_secret_config: is not supported/,
    ],
    [
      socketOf({ commonTlsContext: { validationContext: { ...trusted, allowExpiredCertificate: true } } }),
      /allow_expired_certificate: is not supported/,
    ],
    [
      socketOf({
        commonTlsContext: {
          validationContext: {
            ...trusted,
            verifyCertificateHash: ['df6ff72fe9116521268f6f2dd4966f51df479883fe7037b39f75916ac3049d1a'],
          },
        },
      }),
      /verify_certificate_hash/,
    ],
    [
      socketOf({
        commonTlsContext: {
          validationContext: {
            ...trusted,
            matchTypedSubjectAltNames: [{ sanType: 'URI', matcher: { exact: 'spiffe://a' } }],
          },
        },
      }),
      /match_typed_subject_alt_names\[0\]: must be an exact DNS or IP_ADDRESS/,
    ],
    [
      socketOf({
        commonTlsContext: {
          validationContext: {
            ...trusted,
            matchTypedSubjectAltNames: [{ sanType: 'DNS', matcher: { prefix: 'a' } }],
          },
        },
      }),
      /must be an exact/,
    ],
    [
      socketOf({
        commonTlsContext: {
          validationContext: trusted,
          tlsCertificates: [{ certificateChain: { filename: '/c' }, privateKey: { inlineString: 'secret' } }],
        },
      }),
      /private_key: must be a filename/,
    ],
    [
      socketOf({ commonTlsContext: { validationContext: trusted, tlsParams: Buffer.from([8, 3]) } }),
      /tls_params: is not supported/,
    ],
  ];
  for (const [raw, expected] of cases) t.match(read(raw).problems.join('; '), expected);
});

t.test('authorities without names: any certificate of theirs will do; bytes are text, too', async (t) => {
  const inlineBytes = Buffer.from('-----BEGIN…');
  const { config, problems } = read(
    socketOf({ sni: 'a', commonTlsContext: { validationContext: { trustedCa: { inlineBytes } } } }),
  );
  t.strictSame(problems, []);
  t.match(config, { serverName: 'a', acceptedNames: [], ca: { pem: '-----BEGIN…' } });
});
