import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import type { NamedBackend } from '../../test/support/fast-traffic.js';
import { temporaryFolder } from '../../test/support/folder.js';
import type { Owner } from '../../test/support/owner.js';
import { eventually } from '../../test/support/processes.js';
import { freePorts } from '../free-ports.js';
import { onPath } from '../processes.js';
import {
  type HaproxyWay,
  haproxyConfiguration,
  LIVE_MAP_TEXT,
  liveMap,
  shareMap,
  shareMapText,
} from './haproxy-configuration.js';
import { ProxyProcess } from './proxy-process.js';
import {
  canaryShare,
  type Pods,
  type StickyPeer,
  type StickyPeerProgram,
  type Weights,
} from './sticky-peer.js';

const NAMES = ['a', 'b'] as const;
/** Peers that have just met first teach each other all that they have; in a fleet they met long ago. */
const RESYNC_MS = 7000;
const SPREAD_MS = 500;

function program(way: HaproxyWay, name: string, how: string): StickyPeerProgram {
  const shares = way === 'servers' || way === 'releases';
  return {
    name: `HAProxy ${name}`,
    how: `${how}; changed by the runtime API`,
    key: way === 'cookies' ? 'cookie' : 'header',
    spreadMs: shares ? SPREAD_MS : 0,
    missing: () => (onPath('haproxy') === undefined ? 'haproxy' : undefined),
    async start(owner, pods, weights) {
      const haproxy = await Haproxy.start(owner, way, pods, weights);
      if (shares) await wait(RESYNC_MS);
      return haproxy;
    },
  };
}

export const haproxyPrograms: readonly StickyPeerProgram[] = [
  program('hash', 'hash', "the header's hash against a share in a map, consistent hashing to pods"),
  program('servers', 'servers', 'one backend, a stick table of servers with `peers`, weights by server'),
  program(
    'releases',
    'releases',
    'a stick table of releases (`gpt0`) and two of pods, with `peers`; a share in a map',
  ),
  program(
    'cookies',
    'cookies',
    "a release cookie, `cookie … dynamic` for the release's pod; a share in a map",
  ),
];

/** Changed over the runtime API, where servers are slots that keep their names. */
class Haproxy implements StickyPeer {
  private constructor(
    private readonly way: HaproxyWay,
    readonly addresses: readonly [string, string],
    private readonly folders: readonly string[],
    private readonly pods: Pods,
  ) {}

  static async start(owner: Owner, way: HaproxyWay, pods: Pods, weights: Weights): Promise<Haproxy> {
    const [a, b, ...mates] = (await freePorts(4)) as [number, number, number, number];
    const folders = await Promise.all(NAMES.map(() => temporaryFolder(owner)));
    const processes = await Promise.all(
      folders.map(async (folder, i) => {
        const [file, port, socket] = [join(folder, 'haproxy.cfg'), [a, b][i] as number, socketIn(folder)];
        await writeFile(shareMap(folder), shareMapText(weights));
        await writeFile(liveMap(folder), LIVE_MAP_TEXT);
        await writeFile(
          file,
          haproxyConfiguration(way, { folder, socket, port, peers: mates, pods, weights }),
        );
        return ProxyProcess.start(owner, 'haproxy', ['-db', '-L', NAMES[i] as string, '-f', file]);
      }),
    );
    const haproxy = new Haproxy(way, [`127.0.0.1:${a}`, `127.0.0.1:${b}`], folders, pods);
    await eventually('HAProxy answers on its sockets', async () => {
      for (const process of processes) process.assertRuns();
      const answers = await haproxy.ask(() => 'show peers').catch(() => []);
      return answers.length === 2 && answers.every((answer) => /last_status=(ESTA|MESG)/.test(answer));
    });
    return haproxy;
  }

  async split(weights: Weights): Promise<void> {
    if (this.way !== 'servers')
      await this.ask((folder) => `set map ${shareMap(folder)} canary ${canaryShare(weights)}`);
    else
      for (const [release, pods] of Object.entries(this.pods))
        for (const { name } of pods)
          await this.ask(() => `set server pods/${name} weight ${weights[release as 'v1' | 'v2']}`);
  }

  async drain(): Promise<void> {
    if (this.way !== 'servers') await this.split({ v1: 1, v2: 0 });
    else for (const { name } of this.pods.v2) await this.ask(() => `set server pods/${name} state drain`);
  }

  async remove(): Promise<void> {
    await this.drain();
    await this.ofLiveMap((file) => `del map ${file} v2`);
    for (const { name } of this.pods.v2)
      await this.ask(() => `set server ${this.backend}/${name} state maint`);
  }

  /** What a controller does that fills a fixed number of server slots: as the runtime API is made for. */
  async replace(pods: readonly NamedBackend[], weights: Weights): Promise<void> {
    for (const [i, { port }] of pods.entries()) {
      const slot = `${this.backend}/${this.pods.v2[i]?.name}`;
      await this.ask(() => `set server ${slot} addr 127.0.0.1 port ${port}`);
      await this.ask(() => `set server ${slot} state ready`);
    }
    await this.ofLiveMap((file) => `add map ${file} v2 v2`);
    await this.split(weights);
  }

  private get backend(): string {
    return this.way === 'servers' ? 'pods' : 'v2';
  }

  private async ofLiveMap(command: (file: string) => string): Promise<void> {
    if (this.way === 'releases' || this.way === 'cookies')
      await this.ask((folder) => command(liveMap(folder)));
  }

  /** Of both instances. */
  private ask(command: (folder: string) => string): Promise<string[]> {
    return Promise.all(
      this.folders.map(async (folder) => {
        const socket = connect(socketIn(folder));
        socket.end(`${command(folder)}\n`);
        return text(socket);
      }),
    );
  }
}

function socketIn(folder: string): string {
  return join(folder, 'haproxy.sock');
}
