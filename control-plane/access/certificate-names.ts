import type { X509Certificate } from 'node:crypto';

/** What a client certificate says its holder is called. */
export interface CertificateNames {
  /** URIs among the subject alternative names, such as SPIFFE identities. */
  readonly uris: readonly string[];
  /** Empty where there is none, or more than one. */
  readonly commonName: string;
}

/** An alternative name as Node prints it: quoted as JSON where it has a character that could be misread. */
const ALTERNATIVE_NAME = /(?:^|, )([\w ]+):("(?:[^"\\]|\\.)*"|[^,"]*)/g;

export function certificateNames({ subject, subjectAltName }: X509Certificate): CertificateNames {
  return { uris: urisOf(subjectAltName ?? ''), commonName: commonNameOf(subject ?? '') };
}

/** @param text such as `URI:spiffe://mesh/shop, DNS:shop, URI:"http://x/a\u002c b"` */
export function urisOf(text: string): string[] {
  return [...text.matchAll(ALTERNATIVE_NAME)].flatMap(([, kind, value = '']) => {
    if (kind !== 'URI') return [];
    return [value.startsWith('"') ? (JSON.parse(value) as string) : value];
  });
}

/** @param subject a line for each attribute, line ends within values escaped */
function commonNameOf(subject: string): string {
  const names = subject.split('\n').filter((line) => line.startsWith('CN='));
  return names.length === 1 ? (names[0] as string).slice('CN='.length) : '';
}
