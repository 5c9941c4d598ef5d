import { createHmac, timingSafeEqual } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { type ChannelSecurity, openChannelSecurity } from '../../src/access/channel-security.js';
import { splitHostPort } from '../../src/model/formats.js';
import { parseServiceName } from '../../src/model/mesh-service.js';
import { formatAddress } from '../../src/net/ip-address.js';
import type { Logger } from '../../src/telemetry/logger.js';
import type { Credential } from '../access/credentials.js';
import type { ConfigStore } from '../store/config-store.js';
import { serviceSecret } from '../translate/policy.js';
import { ReplicaLinks } from './replica-links.js';
import { SessionHub } from './session-hub.js';

/** A hub for the services of a store. After a restore their secrets are others: streams end, and sidecars come back. */
export function sessionHubOf(store: ConfigStore): SessionHub {
  const secrets = new Map<string, Buffer>();
  const hub = new SessionHub({
    secretOf: (name) => {
      const { services, pinSecret } = store.current;
      const service = services.get(parseServiceName(name))?.service;
      if (service?.spec.affinity === undefined) return undefined;
      const secret = secrets.get(name) ?? serviceSecret(service, pinSecret);
      secrets.set(name, secret);
      return secret;
    },
    nowMs: () => performance.now(),
  });
  let { pinSecret } = store.current;
  store.on('change', ({ pinSecret: now }) => {
    if (now.equals(pinSecret)) return;
    pinSecret = now;
    secrets.clear();
    hub.endAll();
  });
  return hub;
}

/** As whom the other control planes over a store call: a caller that knows the store's secret is one of them. */
const REPLICA: Credential = { name: 'another control plane', role: 'sidecar', namespaces: ['*'] };

/** The token that control planes over one store know each other by. */
export function replicaToken({ current: { pinSecret } }: ConfigStore): string {
  return createHmac('sha256', pinSecret).update('control planes').digest('base64url');
}

/** Whether it is that of another control plane over the store. */
export function isReplicaCredential(credential: Credential): boolean {
  return credential === REPLICA;
}

/** @returns who has this token, if it is another control plane */
export function replicaOf(token: string, store: ConfigStore): Credential | undefined {
  const [given, known] = [Buffer.from(token), Buffer.from(replicaToken(store))];
  return given.length === known.length && timingSafeEqual(given, known) ? REPLICA : undefined;
}

export interface ReplicaSharing {
  readonly hub: SessionHub;
  readonly store: ConfigStore;
  readonly name: string;
  /** CA of the other control planes' certificates; empty: they are reached in plain text. */
  readonly ca: string;
  /** Whether credentials are asked for. */
  readonly asksForCredentials: boolean;
  readonly log: Logger;
}

/** Shares pins with the other control planes over the store. */
export function shareWithReplicas({
  hub,
  store,
  name,
  ca,
  asksForCredentials,
  log,
}: ReplicaSharing): ReplicaLinks {
  const securityFor = (address: string): ChannelSecurity =>
    openChannelSecurity(
      {
        ca,
        clientCert: '',
        clientKey: '',
        tokenFile: '',
        token: asksForCredentials ? replicaToken(store) : '',
      },
      splitHostPort(address) ?? { host: address, port: 0 },
    );
  return new ReplicaLinks({ hub, name, presence: store.presence, securityFor, log });
}

/** What others are told to dial: an address that is bound, and where that is any of the machine's, one of these. */
export function advertised(bound: string): string {
  const { host, port } = splitHostPort(bound) ?? { host: bound, port: 0 };
  if (host !== '0.0.0.0' && host !== '::') return bound;
  const own = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ internal }) => !internal);
  const { address } = own.find(({ family }) => family === 'IPv4') ?? own[0] ?? { address: '127.0.0.1' };
  return formatAddress(address, port);
}
