import type { Backends } from '../backends/backends.js';
import type { ProcessGroup, RunningProcess } from '../processes.js';

/** What a peer is started with. */
export interface PeerContext {
  readonly processes: ProcessGroup;
  readonly backends: Backends;
  /** For its files; its own. */
  readonly folder: string;
  /** Cores of the proxy; undefined: not pinned. */
  readonly proxyCores: string | undefined;
  /** Cores of everything else. */
  readonly loadCores: string | undefined;
}

/** A peer that takes requests. */
export interface StartedPeer {
  /** Whose process tree is the proxy; undefined: there is none. */
  readonly proxy: RunningProcess | undefined;
  /** Whose process tree does it with TLS, where that is another. */
  readonly tlsProxy?: RunningProcess;
  /** Takes requests and calls backends in clear text. */
  readonly port: number;
  /** Takes requests and calls backends over TLS; undefined: it was not asked to, or cannot. */
  readonly tlsPort: number | undefined;
  stop(): Promise<void>;
}

/** One of the proxies that are compared. Each has its whole configuration in its own file. */
export interface Peer {
  readonly name: string;
  /** What it is, for the notes under the table. */
  readonly description: string;
  /** Version of what is installed; undefined: it is missing. */
  version(): string | undefined;
  /** What to do where it is missing. */
  readonly remedy: string;
  start(context: PeerContext): Promise<StartedPeer>;
}
