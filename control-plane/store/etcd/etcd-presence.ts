import { randomBytes } from 'node:crypto';
import { BackOff } from '../../../src/lifecycle/back-off.js';
import type { Logger } from '../../../src/telemetry/logger.js';
import type { Presence, ReplicaReport } from '../presence.js';
import { EtcdCallError, type EtcdClient } from './etcd-client.js';
import type { EtcdKeys } from './etcd-keys.js';
import { keepAlive } from './etcd-lease.js';
import { LEASE_GRANT, LEASE_REVOKE, PUT, RANGE, type RangeResponse } from './etcd-messages.js';
import { EtcdWatch } from './etcd-watch.js';

/** A control plane that has not been heard of for so long is none of the others any more. */
const LEASE_SECONDS = 10;
const RENEW_MS = 3000;
const RETRY_MS = { first: 200, max: 3000 } as const;
/** Names of leases are numbers that JavaScript can count to. */
const LEASE_ID_BYTES = 6;

/**
 * Control planes over one etcd know each other by a key each, which etcd removes when its lease is not renewed.
 * None of it is needed for configuration to be served or changed: where it fails, `apply` waits for fewer clients.
 */
export class EtcdPresence implements Presence {
  private readonly key: Buffer;
  private readonly watch: EtcdWatch;
  private readonly listeners = new Set<() => void>();
  private readonly backOff = new BackOff(RETRY_MS.first, RETRY_MS.max);
  private known: readonly ReplicaReport[] = [];
  private looks = 0;
  /** Which look {@link known} is of. */
  private shown = 0;
  /** The lease that the key is under; undefined: there is none. */
  private lease: number | undefined;
  private report: ReplicaReport | undefined;
  /** The report has changed since it was last written. */
  private isDue = false;
  private writing = false;
  private renewing: NodeJS.Timeout | undefined;
  private retrying: NodeJS.Timeout | undefined;
  private closed = false;

  constructor(
    private readonly client: EtcdClient,
    private readonly keys: EtcdKeys,
    private readonly log: Logger,
  ) {
    this.key = keys.replica(randomBytes(9).toString('base64url'));
    this.watch = new EtcdWatch({
      client,
      ...keys.replicas,
      onNews: () => this.look(),
      // The watch of the configuration tells of it.
      onProblem: () => {},
      log,
    });
  }

  get others(): readonly ReplicaReport[] {
    return this.known;
  }

  /** @param from revision of etcd */
  start(from: number): void {
    this.watch.start(from);
    this.renewing = setInterval(() => this.renew(), RENEW_MS).unref();
  }

  publish(report: ReplicaReport): void {
    this.report = report;
    this.isDue = true;
    this.write();
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Says good-bye, so that the others need not wait for the lease to run out. */
  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.renewing);
    clearTimeout(this.retrying);
    this.watch.close();
    if (this.lease === undefined) return;
    await this.client.call(LEASE_REVOKE, { ID: this.lease }).catch((error: unknown) => this.note(error));
  }

  private write(): void {
    if (this.writing || this.closed || !this.isDue || this.report === undefined) return;
    this.writing = true;
    this.isDue = false;
    this.put(this.report).then(
      () => this.onWritten(undefined),
      (error: unknown) => this.onWritten(error),
    );
  }

  private async put(report: ReplicaReport): Promise<void> {
    this.lease ??= await this.grant();
    const value = Buffer.from(JSON.stringify(report));
    await this.client.call(PUT, { key: this.key, value, lease: this.lease });
  }

  private async grant(): Promise<number> {
    const ID = randomBytes(LEASE_ID_BYTES).readUIntBE(0, LEASE_ID_BYTES) + 1;
    await this.client.call(LEASE_GRANT, { TTL: LEASE_SECONDS, ID });
    return ID;
  }

  private onWritten(error: unknown): void {
    this.writing = false;
    if (error === undefined) {
      this.backOff.reset();
      this.write();
    } else {
      this.note(error);
      this.again(error);
    }
  }

  /** Writes the report once more, under a new lease where the old one may be gone. */
  private again(error: unknown): void {
    if (error instanceof EtcdCallError && error.isFinal) this.lease = undefined;
    this.isDue = true;
    clearTimeout(this.retrying);
    if (!this.closed) this.retrying = setTimeout(() => this.write(), this.backOff.next()).unref();
  }

  private renew(): void {
    const { lease } = this;
    if (lease === undefined) return;
    keepAlive(this.client, lease).then(
      (isThere) => {
        if (isThere || this.lease !== lease) return;
        this.lease = undefined;
        this.isDue = true;
        this.write();
      },
      (error: unknown) => this.note(error),
    );
  }

  private look(): void {
    const look = ++this.looks;
    this.client.call<RangeResponse>(RANGE, this.keys.replicas).then(
      ({ kvs }) => {
        // Of two at once, the older may come last.
        if (look < this.shown) return;
        this.shown = look;
        this.known = kvs
          .filter(({ key }) => !this.key.equals(key))
          .map(({ value }) => JSON.parse(Buffer.from(value).toString('utf8')) as ReplicaReport);
        for (const listener of this.listeners) listener();
      },
      (error: unknown) => {
        this.note(error);
        if (!this.closed) setTimeout(() => this.look(), this.backOff.next()).unref();
      },
    );
  }

  private note(error: unknown): void {
    this.log.debug({ err: error }, 'other control planes cannot be told, or asked, at present');
  }
}
