import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import {
  bitString,
  booleanTrue,
  integer,
  objectId,
  octetString,
  sequence,
  setOf,
  tagged,
  time,
  utf8String,
} from './der.js';

/** A certificate and its key, PEM. */
export interface KeyedCertificate {
  readonly cert: string;
  readonly key: string;
}

const OID = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
} as const;

/** Clocks of the API server and of this machine may differ by as much. */
const CLOCK_SKEW_MS = 3_600_000;

export interface Validity {
  readonly nowMs: number;
  readonly days: number;
}

/** A certificate authority of its own: an EC key (P-256) and a certificate that it signed itself (RFC 5280). */
export function createAuthority(name: string, validity: Validity): KeyedCertificate {
  const { publicKey, privateKey } = newKey();
  const tbs = toBeSigned({
    subject: name,
    issuer: name,
    publicKey,
    issuerKey: publicKey,
    validity,
    extensions: [
      extension(OID.basicConstraints, sequence(booleanTrue()), true),
      // keyCertSign and cRLSign.
      extension(OID.keyUsage, bitString(Buffer.of(0b0000_0110), 1), true),
    ],
  });
  return signed(tbs, privateKey, privateKey);
}

/** A server's certificate for DNS names, signed by an authority. */
export function issueServerCertificate(
  authority: KeyedCertificate,
  dnsNames: readonly string[],
  validity: Validity,
): KeyedCertificate {
  const { publicKey, privateKey } = newKey();
  const issuer = new X509Certificate(authority.cert);
  const names = dnsNames.map((name) => tagged(2, Buffer.from(name), false));
  const tbs = toBeSigned({
    subject: dnsNames[0] ?? '',
    issuer: commonName(issuer),
    publicKey,
    issuerKey: issuer.publicKey,
    validity,
    extensions: [
      extension(OID.basicConstraints, sequence(), true),
      extension(OID.keyUsage, bitString(Buffer.of(0b1000_0000), 7), true),
      extension(OID.extendedKeyUsage, sequence(objectId(OID.serverAuth))),
      extension(OID.subjectAltName, sequence(...names)),
    ],
  });
  return signed(tbs, createPrivateKey(authority.key), privateKey);
}

/** Whether a key and a certificate are PEM and belong together. */
export function isKeyedCertificate({ cert, key }: KeyedCertificate): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    // Not PEM, or not of a certificate: a Secret that is empty, or that was edited by hand.
    return false;
  }
}

/** When a certificate ends, ms since 1970. */
export function notAfterMs(cert: string): number {
  return Date.parse(new X509Certificate(cert).validTo);
}

function newKey(): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

interface Contents {
  readonly subject: string;
  readonly issuer: string;
  readonly publicKey: KeyObject;
  readonly issuerKey: KeyObject;
  readonly validity: Validity;
  readonly extensions: readonly Buffer[];
}

const VERSION_3 = tagged(0, integer(Buffer.of(2)), true);
const SIGNATURE_ALGORITHM = sequence(objectId(OID.ecdsaWithSha256));

/** RFC 5280 section 4.1.2. */
function toBeSigned({ subject, issuer, publicKey, issuerKey, validity, extensions }: Contents): Buffer {
  const { nowMs, days } = validity;
  const keyIds = [
    extension(OID.subjectKeyId, octetString(keyIdOf(publicKey))),
    extension(OID.authorityKeyId, sequence(tagged(0, keyIdOf(issuerKey), false))),
  ];
  return sequence(
    VERSION_3,
    integer(serialNumber()),
    SIGNATURE_ALGORITHM,
    nameOf(issuer),
    sequence(time(new Date(nowMs - CLOCK_SKEW_MS)), time(new Date(nowMs + days * 86_400_000))),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(3, sequence(...extensions, ...keyIds), true),
  );
}

/** Positive, and not zero-padded. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] as number) & 0x3f) | 0x40;
  return bytes;
}

function nameOf(text: string): Buffer {
  return sequence(setOf(sequence(objectId(OID.commonName), utf8String(text))));
}

function commonName({ subject }: X509Certificate): string {
  return /^CN=(.*)$/m.exec(subject)?.[1] ?? '';
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(objectId(id), ...(critical ? [booleanTrue()] : []), octetString(value));
}

/** Tells keys apart: a digest of the key (RFC 5280 section 4.2.1.2). */
function keyIdOf(key: KeyObject): Buffer {
  const spki = key.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest().subarray(0, 20);
}

function signed(tbs: Buffer, issuerKey: KeyObject, ownKey: KeyObject): KeyedCertificate {
  const certificate = sequence(tbs, SIGNATURE_ALGORITHM, bitString(sign('sha256', tbs, issuerKey)));
  return {
    cert: new X509Certificate(certificate).toString(),
    key: ownKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}
