import type { RedisTlsOptions } from '../../../sidecar/session/store/redis-options.js';
import type { SessionStoreOptions } from '../../../sidecar/session/store/session-store.js';
import { SYSTEM_CA } from '../../access/channel-security.js';
import { type SocketAddress, splitHostPort } from '../../model/formats.js';
import { durationBetween, FlagError, type Flags, text, type Values } from '../flags.js';

/** What the URL of `--session-store` says. */
export interface SessionStoreUrl {
  readonly hosts: readonly SocketAddress[];
  readonly isCluster: boolean;
  readonly usesTls: boolean;
  readonly database: number;
  /** Empty: not told. */
  readonly user: string;
  readonly password: string;
}

const DEFAULT_PORT = 6379;
const EXAMPLE = 'such as redis://10.0.0.7:6379';

const timeout = durationBetween('1ms', '10s');

/** Of the sidecar: a database that keeps the pins of sessions for the whole fleet. */
export const SESSION_STORE_FLAGS = {
  sessionStore: {
    name: 'session-store',
    argument: 'URL',
    help: 'Redis or Valkey that keeps sessions for all sidecars: redis://HOST:PORT[/DATABASE], rediss:// for TLS, redis+cluster://HOST:PORT[,HOST:PORT…] or rediss+cluster:// for a cluster',
    parse: sessionStoreUrl,
    show: withoutPassword,
  },
  sessionStoreTimeout: {
    name: 'session-store-timeout',
    argument: 'DURATION',
    help: 'how long the request of a session that this sidecar does not know waits for --session-store; then the session counts as unknown',
    default: '20ms',
    parse: (value: string) => timeout(/^\d+$/.test(value) ? `${value}ms` : value),
  },
  sessionStoreCa: {
    name: 'session-store-ca',
    argument: 'FILE',
    help: `CA of the session store's certificates (PEM), or "${SYSTEM_CA}" for those that this machine trusts`,
    default: SYSTEM_CA,
    parse: text,
  },
  sessionStoreCert: {
    name: 'session-store-cert',
    argument: 'FILE',
    help: 'certificate (PEM) to show to the session store',
    default: '',
    parse: text,
  },
  sessionStoreKey: {
    name: 'session-store-key',
    argument: 'FILE',
    help: 'key of --session-store-cert (PEM)',
    default: '',
    parse: text,
  },
  sessionStoreUser: {
    name: 'session-store-user',
    argument: 'NAME',
    help: 'ACL user of the session store, with its password',
    default: '',
    parse: text,
  },
  sessionStorePasswordFile: {
    name: 'session-store-password-file',
    argument: 'FILE',
    help: 'file with the password for the session store; read again with every connection; ROOST_SESSION_STORE_PASSWORD holds the password itself',
    default: '',
    parse: text,
  },
} as const satisfies Flags;

/** `redis://user:password@10.0.0.7:6379/0` @throws FlagError */
export function sessionStoreUrl(value: string): SessionStoreUrl {
  const [, tls, cluster, login = '', list = '', path = ''] =
    /^redis(s)?(\+cluster)?:\/\/(?:(.*)@)?([^/?#]*)(.*)$/.exec(value) ?? [];
  if (!/^rediss?(\+cluster)?:\/\//.test(value))
    throw new FlagError(
      `must begin with redis://, rediss://, redis+cluster:// or rediss+cluster://, ${EXAMPLE}`,
    );
  const isCluster = cluster !== undefined;
  const hosts = list
    .split(',')
    .map((host) => splitHostPort(host) ?? splitHostPort(`${host}:${DEFAULT_PORT}`));
  if (hosts.includes(undefined)) throw new FlagError(`must name HOST:PORT after the //, ${EXAMPLE}`);
  if (hosts.length > 1 && !isCluster)
    throw new FlagError('names several hosts; write redis+cluster:// where they are nodes of a cluster');
  const database = databaseOf(path);
  if (database !== 0 && isCluster) throw new FlagError('names a database; a cluster has only 0');
  const at = { hosts: hosts as SocketAddress[], isCluster, usesTls: tls !== undefined, database };
  return { ...at, ...loginOf(login) };
}

function databaseOf(path: string): number {
  if (path === '' || path === '/') return 0;
  if (!/^\/\d{1,5}$/.test(path))
    throw new FlagError('must end with the number of a database, such as /0, or with HOST:PORT');
  return Number(path.slice(1));
}

/** RFC 3986 section 3.2.1, with `%40` for an `@`. */
function loginOf(login: string): { readonly user: string; readonly password: string } {
  const colon = login.indexOf(':');
  try {
    return {
      user: decodeURIComponent(colon === -1 ? login : login.slice(0, colon)),
      password: colon === -1 ? '' : decodeURIComponent(login.slice(colon + 1)),
    };
  } catch {
    throw new FlagError('has a user or a password in which a "%" is not written as %25');
  }
}

/** For messages: what is before the last `@` may hold a password. */
function withoutPassword(value: string): string {
  return value.replace(/^([\w+]*:\/\/)?.*@/, '$1…@');
}

type StoreFlags = Values<typeof SESSION_STORE_FLAGS>;

/** What is wrong with the flags of the session store taken together. */
export function sessionStoreProblems(flags: StoreFlags, environment = process.env): string[] {
  const { sessionStore: url, sessionStoreCa: ca, sessionStoreCert: cert, sessionStoreKey: key } = flags;
  const { sessionStoreUser: user, sessionStorePasswordFile: passwordFile } = flags;
  const isCaGiven = ca !== SYSTEM_CA && ca !== '';
  const hasPassword = passwordFile + (environment.ROOST_SESSION_STORE_PASSWORD ?? '') !== '';
  if (url === undefined)
    return isCaGiven || cert + key + user + passwordFile !== ''
      ? ['the flags --session-store-… need --session-store, which says where']
      : [];
  const problems: readonly (readonly [boolean, string])[] = [
    [
      (cert === '') !== (key === ''),
      '--session-store-cert and --session-store-key go together; one of them is missing',
    ],
    [
      !url.usesTls && (isCaGiven || cert + key !== ''),
      '--session-store-ca, -cert and -key need TLS: write rediss:// in --session-store',
    ],
    [
      user !== '' && url.user !== '',
      '--session-store has a user already; leave out either it or --session-store-user',
    ],
    [
      hasPassword && url.password !== '',
      '--session-store has a password already; leave it out there, since every process of the machine can read a command line',
    ],
    [
      user + url.user !== '' && url.password === '' && !hasPassword,
      'the user of the session store has no password; name --session-store-password-file',
    ],
  ];
  return problems.flatMap(([wrong, problem]) => (wrong ? [problem] : []));
}

/** Undefined: there is no store. */
export function sessionStoreOf(
  flags: StoreFlags,
  environment = process.env,
): SessionStoreOptions | undefined {
  const { sessionStore: url } = flags;
  if (url === undefined) return undefined;
  const { hosts, isCluster, usesTls, database, user, password } = url;
  const tls: RedisTlsOptions = {
    ca: flags.sessionStoreCa,
    cert: flags.sessionStoreCert,
    key: flags.sessionStoreKey,
  };
  return {
    hosts,
    isCluster,
    database,
    tls: usesTls ? tls : undefined,
    user: flags.sessionStoreUser || user,
    password: password || (environment.ROOST_SESSION_STORE_PASSWORD ?? '').trim(),
    passwordFile: flags.sessionStorePasswordFile,
    timeoutMs: flags.sessionStoreTimeout,
  };
}

/** A password on the command line is seen by every process of the machine. @param args of this process */
export function showsPassword(args: readonly string[]): boolean {
  return args.some((arg) => /rediss?(\+cluster)?:\/\/[^@]*:[^@]+@/.test(arg));
}
