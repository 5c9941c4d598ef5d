import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Test } from 'tap';
import { findPeer, pathOf } from './peers.js';
import { eventually } from './processes.js';

/** Built from `test/peers/go-xds`: a control plane by go-control-plane, and a client by grpc-go. */
export const GO_XDS = findPeer('GO_XDS', 'go-xds');

/** One line that it has written. */
export type Said = Readonly<Record<string, unknown>>;

/** The program at work: takes commands, and says what happens. */
export class GoXds {
  readonly said: Said[] = [];
  private rest = '';
  private log = '';

  private constructor(
    private readonly child: ChildProcess,
    private readonly exited: Promise<unknown>,
  ) {
    child.stdout?.on('data', (data) => this.read(String(data)));
    child.stderr?.on('data', (data) => (this.log += String(data)));
  }

  static start(t: Test, args: readonly string[], env: NodeJS.ProcessEnv = {}): GoXds {
    const child = spawn(pathOf(GO_XDS), args, { env: { ...process.env, ...env }, stdio: 'pipe' });
    const started = new GoXds(child, once(child, 'close'));
    t.teardown(() => started.kill());
    return started;
  }

  tell(command: object): void {
    this.child.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  /** The first line that has this, now or later. */
  async heard(what: string, isIt: (said: Said) => boolean): Promise<Said> {
    let found: Said | undefined;
    await eventually(what, () => {
      if (this.child.exitCode !== null) throw new Error(`go-xds has ended: ${this.log}`);
      found = this.said.find(isIt);
      return found !== undefined;
    });
    return found as Said;
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  private read(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) this.said.push(JSON.parse(line) as Said);
  }
}

/** A control plane by go-control-plane: serves one snapshot of resources to every client. */
export class GoControlPlane {
  private constructor(
    private readonly peer: GoXds,
    readonly address: string,
  ) {}

  static async start(t: Test, address = '127.0.0.1:0'): Promise<GoControlPlane> {
    const peer = GoXds.start(t, ['serve', address]);
    const { listening } = await peer.heard('it listens', (said) => said.listening !== undefined);
    return new GoControlPlane(peer, listening as string);
  }

  /** @param resources each with its `@type`, in the names of the `.proto` files */
  serve(version: string, resources: readonly object[]): void {
    this.peer.tell({ version, resources });
  }

  /** `sotw` or `delta`, of each stream that there was. */
  get streams(): readonly string[] {
    return this.peer.said.flatMap(({ stream }) => (stream === undefined ? [] : [String(stream)]));
  }

  get refusals(): readonly string[] {
    return this.peer.said.flatMap(({ refused }) => (refused === undefined ? [] : [String(refused)]));
  }

  kill(): Promise<void> {
    return this.peer.kill();
  }
}

/** How a call ended. */
export interface GoAnswer {
  /** gRPC status code; 0: it succeeded */
  readonly code: number;
  readonly message: string;
  readonly reply: string;
  readonly ms: number;
}

/** An application with grpc-go, which has dialled one target. */
export class GoClient {
  private readonly peer: GoXds;
  private calls = 0;

  /** @param bootstrap as `roost bootstrap grpc` prints it */
  constructor(t: Test, target: string, bootstrap: string) {
    this.peer = GoXds.start(t, ['call', target], { GRPC_XDS_BOOTSTRAP_CONFIG: bootstrap });
  }

  async call(
    method: string,
    headers: Readonly<Record<string, string>>,
    timeoutMs = 10_000,
  ): Promise<GoAnswer> {
    const id = ++this.calls;
    this.peer.tell({ id, method, headers, timeoutMs });
    return (await this.peer.heard('an answer', (said) => said.id === id)) as unknown as GoAnswer;
  }
}
