import type { ChannelSecurityOptions } from '../../src/access/channel-security.js';
import type { SocketAddress } from '../../src/model/formats.js';
import type { BootstrapNode } from '../../src/xds/grpc-bootstrap.js';
import type { ResolvedAddress } from '../cluster/dns-refresher.js';
import type { Dependencies } from '../discovery/listener-demand.js';
import type { HttpLimits } from '../http/limits.js';
import type { AccessLogLevel } from '../records/access-log.js';
import type { SessionStoreOptions } from '../session/store/session-store.js';

/** What a sidecar is told at its start. */
export interface SidecarOptions {
  readonly service: { readonly name: string; readonly namespace: string };
  /** Empty: not told. */
  readonly release: string;
  /** At least one; of several, over one store, another takes over when one does not answer. */
  readonly controlPlanes: readonly SocketAddress[];
  /** How it proves to the control plane who it is. */
  readonly security?: ChannelSecurityOptions;
  /** How configuration is asked for: what changed, or all of it again. */
  readonly xdsMode: 'delta' | 'sotw';
  /** Undefined: everything that the control plane lets it see. */
  readonly dependencies: Dependencies | undefined;
  /** Listeners and clusters that the server says are gone are used on. */
  readonly ignoresDeletion: boolean;
  /** Folder that keeps the last good configuration; empty: it is not kept. */
  readonly stateDir: string;
  /** Threads that carry requests, the main one included. */
  readonly workers: number;
  /** What a gRPC bootstrap says of who this is; the rest is made from service, release and host. */
  readonly node?: BootstrapNode;
  readonly outbound: SocketAddress;
  readonly inbound: SocketAddress;
  readonly app: SocketAddress;
  readonly admin: SocketAddress;
  /** Where scrapers and probes come from outside. */
  readonly metrics: SocketAddress | undefined;
  /** Ports of the app for which `metrics` tells whether it listens; absent: none. */
  readonly tcpProbes?: readonly number[];
  /** Where the client status is served by gRPC (CSDS). */
  readonly csds?: SocketAddress | undefined;
  readonly passthrough: boolean;
  /** Connections arrive redirected: where they were going is asked of the kernel. */
  readonly intercept: boolean;
  /** Ports whose connections are carried as they are: in these protocols the server speaks first. */
  readonly opaquePorts: readonly number[];
  /** How long a client may be silent before it is taken for one that waits for the server to begin. */
  readonly sniffTimeoutMs: number;
  /** DNS names answered from here: `host:port` → addresses. */
  readonly resolve: ReadonlyMap<string, readonly ResolvedAddress[]>;
  readonly sessionTableSize: number;
  /** A database that keeps pins for the whole fleet; undefined: there is none. */
  readonly sessionStore?: SessionStoreOptions | undefined;
  readonly drainGraceMs: number;
  readonly drainTimeoutMs: number;
  readonly limits: HttpLimits;
  readonly accessLog: AccessLogLevel;
  /** Of a busy sidecar, `/debug/requests` shows one request in so many. */
  readonly debugSample: number;
}
