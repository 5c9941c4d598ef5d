import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { digestOfToken, MAX_TOKEN_LENGTH } from '../../src/access/token.js';
import type { CertificateNames } from './certificate-names.js';
import type { Credential } from './credentials.js';

/** Names the index's places: how long a look-up takes says nothing of a digest to who does not know this. */
const INDEX_KEY = randomBytes(32);

/** The credentials in force. Immutable; a changed file makes another. */
export class CredentialSet {
  private readonly byDigest = new Map<string, { readonly digest: Buffer; readonly credential: Credential }>();
  private readonly byUri = new Map<string, Credential>();
  private readonly byCommonName = new Map<string, Credential>();
  private readonly byName = new Map<string, Credential>();
  private readonly namespaces: ReadonlySet<string>;

  constructor(readonly credentials: readonly Credential[]) {
    this.namespaces = new Set(credentials.flatMap(({ namespaces }) => namespaces));
    for (const credential of credentials) {
      this.byName.set(credential.name, credential);
      const { sha256, certificate } = credential;
      if (sha256 !== undefined) {
        const digest = Buffer.from(sha256, 'hex');
        this.byDigest.set(placeOf(digest), { digest, credential });
      }
      if (certificate?.uri !== undefined) this.byUri.set(certificate.uri, credential);
      if (certificate?.commonName !== undefined) this.byCommonName.set(certificate.commonName, credential);
    }
  }

  /** Whose token this is. Its digest is compared in constant time. */
  ofToken(token: string): Credential | undefined {
    if (token.length > MAX_TOKEN_LENGTH) return undefined;
    const digest = digestOfToken(token);
    const found = this.byDigest.get(placeOf(digest));
    return found !== undefined && timingSafeEqual(found.digest, digest) ? found.credential : undefined;
  }

  /** Whose certificate this is: by a URI of its subject alternative names, else by its common name. */
  ofCertificate({ uris, commonName }: CertificateNames): Credential | undefined {
    const uri = uris.find((name) => this.byUri.has(name));
    return uri === undefined ? this.byCommonName.get(commonName) : this.byUri.get(uri);
  }

  /** Whether some credential is for a namespace of this name. */
  isNamespace(name: string): boolean {
    return this.namespaces.has(name);
  }

  /** The credential as it is now, if it is still proved the same way and allows the same. */
  stillHas(credential: Credential): boolean {
    const now = this.byName.get(credential.name);
    return now !== undefined && JSON.stringify(now) === JSON.stringify(credential);
  }
}

function placeOf(digest: Buffer): string {
  return createHmac('sha256', INDEX_KEY).update(digest).digest('base64');
}

export function hasExpired({ expires }: Credential, nowMs: number): boolean {
  return expires !== undefined && Date.parse(expires) <= nowMs;
}
