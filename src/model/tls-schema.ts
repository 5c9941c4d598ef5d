import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { hostname } from './scalars.js';
import { atMostOne, strict } from './strict-object.js';

/** How sidecars reach a service's endpoints over TLS. */

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** One or more certificates, as text. */
const certificates = z.string().superRefine((text, ctx) => {
  const found = text.match(CERTIFICATE) ?? [];
  if (found.length === 0)
    ctx.addIssue({ code: 'custom', message: 'holds no PEM certificate; a file\'s path goes into "caFile"' });
  found.forEach((pem, i) => {
    try {
      new X509Certificate(pem);
    } catch (cause) {
      ctx.addIssue({
        code: 'custom',
        message: `certificate ${i + 1} cannot be read: ${(cause as Error).message}`,
      });
    }
  });
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
    ctx.addIssue({ code: 'custom', message: 'holds a private key; configuration is no place for one' });
});

const filePath = z
  .string()
  .startsWith('/', { error: 'must be an absolute path, on the machine of the sidecar' });

const both = (value: object) => 'certFile' in value === 'keyFile' in value;

export const tls = strict({
  /** SNI, and the name that the endpoints' certificates must be for. */
  serverName: hostname,
  /** The authorities to trust, in PEM; without this and `caFile`, those that the sidecar's Node or Envoy trusts. */
  ca: certificates.optional(),
  caFile: filePath.optional(),
  /** What the sidecar shows of itself. */
  certFile: filePath.optional(),
  keyFile: filePath.optional(),
})
  .refine(...atMostOne('ca', 'caFile'))
  .refine(both, { error: 'needs both certFile and keyFile, or neither' });

export type TlsSpec = z.output<typeof tls>;
