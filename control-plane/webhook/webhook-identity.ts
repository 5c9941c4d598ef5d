import { X509Certificate } from 'node:crypto';
import { type KubeApi, KubeError, type KubeObject } from '../../src/kubernetes/kube-client.js';
import {
  createAuthority,
  isKeyedCertificate,
  issueServerCertificate,
  type KeyedCertificate,
  notAfterMs,
} from './certificates.js';

/** Paths of the configurations whose `caBundle` the control plane keeps. */
export const WEBHOOK_CONFIGURATIONS = [
  '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/roost',
  '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/roost',
] as const;

export interface IdentityOptions {
  readonly api: KubeApi;
  /** Where replicas share the authority. It must exist; it may be empty. */
  readonly secret: { readonly namespace: string; readonly name: string };
  /** DNS names by which the API server calls the webhook. */
  readonly dnsNames: readonly string[];
  readonly nowMs: () => number;
}

const AUTHORITY_DAYS = 365;
const SERVER_DAYS = 30;
const DAY_MS = 86_400_000;
/** An authority is replaced this long before it ends, and trusted until it does. */
const OVERLAP_DAYS = 60;
/** Older authorities that are still trusted. */
const MAX_OLDER = 2;

/** The authority as replicas share it: the one that signs, and all that are trusted, the signing one first. */
interface Authority {
  readonly signing: KeyedCertificate;
  readonly bundle: readonly string[];
}

/**
 * The certificate of the webhook's port. Replicas share an authority in a Secret; each signs a certificate of its own
 * with it, in memory, and all keep the `caBundle` of the webhook configurations equal to the bundle.
 *
 * ```
 *   new authority ──► Secret: bundle of the new one and the old ──► caBundle has both
 *     └─ a round later ──► certificates of the new one ──► the old one leaves the bundle when it ends
 * ```
 * The API server trusts both while replicas change over, so no call fails.
 */
export class WebhookIdentity {
  private current: { readonly authority: string; readonly server: KeyedCertificate } | undefined;
  /** The signing authority that was in force in every `caBundle` at the end of the last round. */
  private trusted = '';

  constructor(private readonly options: IdentityOptions) {}

  /**
   * One round: reads or makes the authority, patches what lacks it, and renews the certificate if it is due.
   *
   * @returns the certificate to serve, which may be the one before
   * @throws KubeError what the API server refused; the next round tries again
   */
  async round(): Promise<KeyedCertificate> {
    const { signing, bundle } = await this.authority();
    for (const path of WEBHOOK_CONFIGURATIONS) await this.keepBundle(path, bundle);
    // The first certificate cannot wait; a later one waits until the API server has surely read the bundle.
    const due = this.current === undefined || this.trusted === signing.cert;
    this.trusted = signing.cert;
    if (this.current === undefined || (due && this.isStale(this.current, signing))) this.issue(signing);
    return (this.current as { readonly server: KeyedCertificate }).server;
  }

  private isStale(
    { authority, server }: { authority: string; server: KeyedCertificate },
    signing: KeyedCertificate,
  ): boolean {
    const halfLife = notAfterMs(server.cert) - (SERVER_DAYS / 2) * DAY_MS;
    return authority !== signing.cert || this.options.nowMs() > halfLife;
  }

  private issue(signing: KeyedCertificate): void {
    const { dnsNames, nowMs } = this.options;
    const server = issueServerCertificate(signing, dnsNames, { nowMs: nowMs(), days: SERVER_DAYS });
    this.current = { authority: signing.cert, server };
  }

  /** Of replicas that find none at the same time, one writes; the others read what it wrote in their next round. */
  private async authority(): Promise<Authority> {
    const { api, secret, nowMs } = this.options;
    const path = `/api/v1/namespaces/${secret.namespace}/secrets/${secret.name}`;
    const stored = await api.get(path);
    const existing = readAuthority(stored, nowMs());
    if (existing !== undefined && notAfterMs(existing.signing.cert) - nowMs() > OVERLAP_DAYS * DAY_MS)
      return existing;
    const signing = createAuthority('Roost webhook CA', { nowMs: nowMs(), days: AUTHORITY_DAYS });
    const made = { signing, bundle: [signing.cert, ...(existing?.bundle ?? []).slice(0, MAX_OLDER)] };
    await api.put(path, {
      ...stored,
      data: { ...(stored.data as object | undefined), ...encodeAuthority(made) },
    });
    return made;
  }

  private async keepBundle(path: string, bundle: readonly string[]): Promise<void> {
    const { api } = this.options;
    const wanted = Buffer.from(bundle.join('')).toString('base64');
    const { webhooks } = (await api.get(path)) as { readonly webhooks?: readonly WebhookEntry[] };
    const operations = (webhooks ?? []).flatMap(({ name, clientConfig }, i) =>
      clientConfig?.caBundle === wanted
        ? []
        : [
            // The list may have changed since it was read.
            { op: 'test', path: `/webhooks/${i}/name`, value: name },
            { op: 'add', path: `/webhooks/${i}/clientConfig/caBundle`, value: wanted },
          ],
    );
    if (operations.length > 0) await api.patch(path, operations);
  }
}

interface WebhookEntry {
  readonly name: string;
  readonly clientConfig?: { readonly caBundle?: string };
}

const CA_CERT = 'ca.crt';
const CA_KEY = 'ca.key';

/** @returns undefined where the Secret is empty, or what it holds cannot be used */
function readAuthority({ data }: KubeObject, nowMs: number): Authority | undefined {
  const fields = (data ?? {}) as Readonly<Record<string, unknown>>;
  const text = (name: string) => Buffer.from(String(fields[name] ?? ''), 'base64').toString('utf8');
  const certs = text(CA_CERT).match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g) ?? [];
  const signing = { cert: certs[0] ?? '', key: text(CA_KEY) };
  if (!isKeyedCertificate(signing)) return undefined;
  const older = certs.slice(1).filter((cert) => isCertificate(cert) && notAfterMs(cert) > nowMs);
  return { signing, bundle: [signing.cert, ...older] };
}

function isCertificate(cert: string): boolean {
  try {
    return new X509Certificate(cert).ca;
  } catch {
    // The Secret was edited by hand.
    return false;
  }
}

function encodeAuthority({ signing, bundle }: Authority): Record<string, string> {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return { [CA_CERT]: base64(bundle.join('')), [CA_KEY]: base64(signing.key) };
}

/** Whether a round failed only because another replica was first. */
export function isConflict(error: unknown): boolean {
  return error instanceof KubeError && error.status === 409;
}
