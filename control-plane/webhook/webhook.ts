import type { Server } from 'node:https';
import type { InjectSettings } from '../../src/inject/settings.js';
import type { KubeApi } from '../../src/kubernetes/kube-client.js';
import { MAX_SECRET_BYTES, readBoundedFile } from '../../src/lifecycle/bounded-file.js';
import { listen } from '../../src/lifecycle/listen.js';
import type { SocketAddress } from '../../src/model/formats.js';
import type { Logger } from '../../src/telemetry/logger.js';
import { reviewPod } from './inject-review.js';
import { type CheckAgainstStore, reviewMeshService } from './validate-review.js';
import { isConflict, WebhookIdentity } from './webhook-identity.js';
import { createWebhookServer } from './webhook-server.js';

/** How the webhook serves. */
export interface WebhookOptions {
  readonly address: SocketAddress;
  /** Certificate and key files; undefined: the webhook makes its own and keeps the authority in `secret`. */
  readonly files: { readonly cert: string; readonly key: string } | undefined;
  readonly secret: { readonly namespace: string; readonly name: string };
  /** The Service by which the API server calls it: `roost-control-plane.roost-system.svc`. */
  readonly host: string;
  readonly inject: InjectSettings;
}

export interface WebhookParts {
  readonly log: Logger;
  readonly check: CheckAgainstStore;
  /** Asked for when the webhook makes its own certificate. */
  api(): Promise<KubeApi>;
}

/** Between rounds of {@link WebhookIdentity}, and between looks at files. */
const ROUND_MS = 60_000;
const FIRST_RETRY_MS = 1000;

type TlsPair = { readonly cert: string | Buffer; readonly key: string | Buffer };

/**
 * The port that the API server calls. It opens when there is a certificate; what keeps it from getting one is logged,
 * and the rest of the control plane works meanwhile.
 */
export class Webhook {
  /** As bound; empty until the port is open. */
  address = '';
  private server: Server | undefined;
  private timer: NodeJS.Timeout | undefined;
  private identity: WebhookIdentity | undefined;
  private retryMs = FIRST_RETRY_MS;
  private closed = false;

  constructor(
    private readonly options: WebhookOptions,
    private readonly parts: WebhookParts,
  ) {}

  /** Resolves after the first attempt, successful or not. @throws ListenError */
  async start(): Promise<void> {
    await this.round();
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    const { server } = this;
    if (server === undefined) return;
    server.closeIdleConnections();
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      setTimeout(() => server.closeAllConnections(), CLOSE_MS).unref();
    });
  }

  private async round(): Promise<void> {
    let wait = ROUND_MS;
    let pair: TlsPair | undefined;
    try {
      pair = await this.certificate();
      this.retryMs = FIRST_RETRY_MS;
    } catch (error) {
      wait = this.retryMs;
      this.retryMs = Math.min(2 * wait, ROUND_MS);
      // Another replica was first: the next round reads what it wrote.
      if (!isConflict(error))
        this.parts.log.error({ err: error }, 'the webhook cannot renew its certificate');
    }
    if (this.closed) return;
    if (pair !== undefined) await this.serve(pair);
    this.timer = setTimeout(() => {
      this.round().catch((error: unknown) =>
        this.parts.log.error({ err: error }, 'the webhook cannot be served'),
      );
    }, wait).unref();
  }

  private async certificate(): Promise<TlsPair> {
    const { files, secret, host } = this.options;
    if (files !== undefined) {
      const read = (file: string) => readBoundedFile(file, { maxBytes: MAX_SECRET_BYTES });
      return { cert: read(files.cert), key: read(files.key) };
    }
    this.identity ??= new WebhookIdentity({
      api: await this.parts.api(),
      secret,
      dnsNames: [host, `${host}.cluster.local`],
      nowMs: Date.now,
    });
    return this.identity.round();
  }

  private async serve(pair: TlsPair): Promise<void> {
    if (this.server !== undefined) {
      this.server.setSecureContext(pair);
      return;
    }
    const { log, check } = this.parts;
    const { address, inject } = this.options;
    const server = createWebhookServer(
      {
        '/inject': (request) => reviewPod(request, inject),
        '/validate': (request) => reviewMeshService(request, check),
      },
      pair,
      log,
    );
    this.address = await listen(server, 'the webhook (--webhook)', address.host, address.port);
    this.server = server;
    log.info({ webhook: this.address }, 'the webhook is served');
  }
}

/** Calls that are being answered take milliseconds. */
const CLOSE_MS = 1000;
