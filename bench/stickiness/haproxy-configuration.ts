import type { NamedBackend } from '../../test/support/fast-traffic.js';
import { canaryShare, HOST, type Pods, TESTER_HEADER, USER_HEADER, type Weights } from './sticky-peer.js';

/** Configurations of HAProxy: four ways to keep sessions, from no memory to all that it can remember. */

export type HaproxyWay = 'hash' | 'servers' | 'releases' | 'cookies';

export interface HaproxyInstance {
  readonly folder: string;
  readonly socket: string;
  readonly port: number;
  readonly peers: readonly [number, number];
  readonly pods: Pods;
  readonly weights: Weights;
}

const TABLE = 'type string len 64 size 200k expire 1h';
const TESTER = `{ req.hdr(${TESTER_HEADER}) yes }`;

export function haproxyConfiguration(way: HaproxyWay, instance: HaproxyInstance): string {
  const { socket, peers } = instance;
  return `global
    nbthread 1
    stats socket ${socket} level admin
defaults
    mode http
    timeout connect 1s
    timeout client 30s
    timeout server 30s
    retries 3
    retry-on conn-failure
    option redispatch 1
    default-server check inter 200ms fall 2 rise 1 observe layer4 error-limit 3 on-error mark-down
peers mates
    peer a 127.0.0.1:${peers[0]}
    peer b 127.0.0.1:${peers[1]}
${WAYS[way](instance)}`;
}

/** The canary's share, which the runtime API changes (`set map`). */
export function shareMap(folder: string): string {
  return `${folder}/share.map`;
}

/** The releases that sessions may remember; the runtime API removes one and adds it (`del map`, `add map`). */
export function liveMap(folder: string): string {
  return `${folder}/live.map`;
}

export const LIVE_MAP_TEXT = 'v1 v1\nv2 v2\n';

export function shareMapText(weights: Weights): string {
  return `canary ${canaryShare(weights)}\n`;
}

const WAYS: Readonly<Record<HaproxyWay, (instance: HaproxyInstance) => string>> = {
  /** The header's hash decides the release, another hash of it the pod. Nothing is remembered. */
  hash: (
    instance,
  ) => `${frontend(instance, 'v1')}    http-request set-var(txn.slot) ${slotOf(`req.hdr(${USER_HEADER})`)}
${share(instance)}    use_backend v2 if ${TESTER} { nbsrv(v2) gt 0 }
    use_backend v2 if { var(txn.slot),sub(txn.share) lt 0 } { nbsrv(v2) gt 0 }
${backends(instance, () => `    balance hdr(${USER_HEADER})\n    hash-type consistent\n`)}`,

  /** One backend: the table remembers the server, and so its release. */
  servers: (instance) => `${frontend(instance, 'pods')}backend pods
    balance roundrobin
    stick-table ${TABLE} peers mates
    use-server v2-1 if ${TESTER} { rand(2) eq 0 }
    use-server v2-2 if ${TESTER}
    stick on req.hdr(${USER_HEADER})
${servers(instance.pods.v1, ` weight ${instance.weights.v1}`)}${servers(instance.pods.v2, ` weight ${instance.weights.v2}`)}`,

  /** One table remembers the release as a number, two others the pod. */
  releases: (
    instance,
  ) => `${frontend(instance, 'v1')}    http-request track-sc0 req.hdr(${USER_HEADER}) table releases
    http-request set-var(txn.slot) ${slotOf(`req.hdr(${USER_HEADER})`)}
${share(instance)}    http-request sc-set-gpt0(0) 2 if ${TESTER}
    http-request sc-set-gpt0(0) 0 if { sc0_get_gpt0 eq 2 } !{ str(v2),map_str(${liveMap(instance.folder)}) -m found }
    http-request sc-set-gpt0(0) 2 if { sc0_get_gpt0 eq 0 } { var(txn.slot),sub(txn.share) lt 0 }
    http-request sc-set-gpt0(0) 1 if { sc0_get_gpt0 eq 0 }
    use_backend v2 if { sc0_get_gpt0 eq 2 } { nbsrv(v2) gt 0 }
backend releases
    stick-table ${TABLE} store gpt0 peers mates
${backends(instance, () => `    balance roundrobin\n    stick-table ${TABLE} peers mates\n    stick on req.hdr(${USER_HEADER})\n`)}`,

  /** One cookie remembers the release, one for each release the pod, by a hash of its address. */
  cookies: (instance) => `${frontend(instance, 'v1')}    http-request set-var(txn.had) req.cook(release)
    http-request set-var(txn.release) var(txn.had),map_str(${liveMap(instance.folder)})
    http-request set-var(txn.slot) rand(10000)
${share(instance)}    http-request set-var(txn.release) str(v2) if !{ var(txn.release) -m found } { var(txn.slot),sub(txn.share) lt 0 }
    http-request set-var(txn.release) str(v1) if !{ var(txn.release) -m found }
    http-request set-var(txn.release) str(v2) if ${TESTER}
    use_backend v2 if { var(txn.release) -m str v2 } { nbsrv(v2) gt 0 }
    http-response add-header set-cookie "release=%[var(txn.release)]; Path=/; HttpOnly" unless { var(txn.release),strcmp(txn.had) eq 0 }
${backends(instance, (release) => `    balance roundrobin\n    dynamic-cookie-key ${HOST}\n    cookie pod-${release} insert indirect nocache dynamic\n`)}`,
};

function frontend({ port }: HaproxyInstance, backend: string): string {
  return `frontend calls
    bind 127.0.0.1:${port}
    default_backend ${backend}
`;
}

function slotOf(sample: string): string {
  return `${sample},xxh32,mod(10000)`;
}

function share({ folder }: HaproxyInstance): string {
  return `    http-request set-var(txn.share) str(canary),map_str_int(${shareMap(folder)},0)\n`;
}

function backends({ pods }: HaproxyInstance, lines: (release: string) => string): string {
  return Object.entries(pods)
    .map(([release, list]) => `backend ${release}\n${lines(release)}${servers(list, '')}`)
    .join('');
}

function servers(pods: readonly NamedBackend[], options: string): string {
  return pods.map(({ name, address }) => `    server ${name} ${address}${options}\n`).join('');
}
