import type { EtcdOptions } from '../../../control-plane/store/etcd/etcd-options.js';
import { SYSTEM_CA } from '../../access/channel-security.js';
import { MAX_SECRET_BYTES, readBoundedFile } from '../../lifecycle/bounded-file.js';
import { OperatorError } from '../../lifecycle/operator-error.js';
import { type SocketAddress, splitHostPort } from '../../model/formats.js';
import { FlagError, type Flags, text, type Values } from '../flags.js';

/** Where etcd is, as `--store` says it. */
export interface StoreAddress {
  readonly endpoints: readonly SocketAddress[];
  /** `/roost` */
  readonly prefix: string;
}

const DEFAULT_PREFIX = '/roost';

/** Of the control plane: a store that several of them share. */
export const STORE_FLAGS = {
  store: {
    name: 'store',
    argument: 'etcd://HOST:PORT[,HOST:PORT…]/PREFIX',
    help: 'keeps the configuration in etcd, which several control planes can share; instead of --data-dir',
    parse: storeAddress,
  },
  storeCa: {
    name: 'store-ca',
    argument: 'FILE',
    help: `CA of etcd's certificates (PEM), or "${SYSTEM_CA}" for those that this machine trusts; with it, TLS is used`,
    default: '',
    parse: text,
  },
  storeCert: {
    name: 'store-cert',
    argument: 'FILE',
    help: 'certificate (PEM) to show to etcd',
    default: '',
    parse: text,
  },
  storeKey: {
    name: 'store-key',
    argument: 'FILE',
    help: 'key of --store-cert (PEM)',
    default: '',
    parse: text,
  },
  storeUser: {
    name: 'store-user',
    argument: 'NAME',
    help: 'user of etcd, with --store-password-file',
    default: '',
    parse: text,
  },
  storePasswordFile: {
    name: 'store-password-file',
    argument: 'FILE',
    help: 'file with the password of --store-user; read again whenever it is needed',
    default: '',
    parse: text,
  },
} as const satisfies Flags;

/** `etcd://10.0.0.5:2379,10.0.0.6:2379/roost` @throws FlagError */
export function storeAddress(value: string): StoreAddress {
  const [, list, path = ''] = /^etcd:\/\/([^/]*)(\/.*)?$/.exec(value) ?? [];
  if (list === undefined)
    throw new FlagError('is not an etcd://HOST:PORT/PREFIX, such as etcd://10.0.0.5:2379/roost');
  // What is written on a command line can be read by every process of the machine.
  if (list.includes('@'))
    throw new FlagError('has a user in it; write --store-user and --store-password-file instead');
  const endpoints = list.split(',').map(splitHostPort);
  if (endpoints.includes(undefined))
    throw new FlagError('must list HOST:PORT after etcd://, with commas in between, such as 10.0.0.5:2379');
  const prefix = path.replace(/\/+$/, '') || DEFAULT_PREFIX;
  if (!/^(\/[\w.-]+)+$/.test(prefix))
    throw new FlagError('has a prefix that is no /NAME of letters, digits, "-", "_" and "."');
  return { endpoints: endpoints as SocketAddress[], prefix };
}

/** What is wrong with flags of the store taken together: whether that is so, and what it is. */
export function storeProblems(
  flags: Values<typeof STORE_FLAGS> & { readonly dataDir: string },
): readonly (readonly [boolean, string])[] {
  const { store, storeCa, storeCert, storeKey, storeUser, storePasswordFile, dataDir } = flags;
  const isAlone = store === undefined;
  const others = [storeCa, storeCert, storeKey, storeUser, storePasswordFile];
  return [
    [
      !isAlone && dataDir !== '',
      '--store and --data-dir exclude each other: configuration is kept in one place',
    ],
    [isAlone && others.some((value) => value !== ''), 'the flags --store-… need --store, which says where'],
    [
      (storeCert === '') !== (storeKey === ''),
      '--store-cert and --store-key go together; one of them is missing',
    ],
    [storeCert !== '' && storeCa === '', '--store-cert needs --store-ca: a certificate is shown over TLS'],
    [
      (storeUser === '') !== (storePasswordFile === ''),
      '--store-user and --store-password-file go together; one of them is missing',
    ],
  ];
}

/** @throws OperatorError where the password cannot be read */
export function etcdOptions(flags: Values<typeof STORE_FLAGS>): EtcdOptions | undefined {
  const { store, storeCa, storeCert, storeKey, storeUser, storePasswordFile } = flags;
  if (store === undefined) return undefined;
  const password = () => readPassword(storePasswordFile);
  // A mistake is told at the start.
  if (storeUser !== '') password();
  return {
    ...store,
    security: { ca: storeCa, clientCert: storeCert, clientKey: storeKey },
    user: storeUser === '' ? undefined : { name: storeUser, password },
  };
}

function readPassword(file: string): string {
  try {
    const content = readBoundedFile(file, { maxBytes: MAX_SECRET_BYTES, pipes: true });
    return content.toString('utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    throw new OperatorError(`--store-password-file cannot be read: ${(cause as Error).message}`, { cause });
  }
}
