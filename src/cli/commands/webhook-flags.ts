import type { SocketAddress } from '../../model/formats.js';
import { FlagError, type Flags, listenAddress, text, type Values } from '../flags.js';
import { INJECT_FLAGS, injectSettingsOf } from './inject-flags.js';

/** How the control plane answers the API server of Kubernetes. */
export const WEBHOOK_FLAGS = {
  webhook: {
    name: 'webhook',
    argument: 'HOST:PORT',
    help: 'where the API server of Kubernetes asks for injection and validation (usually 0.0.0.0:15017); "off": not at all',
    default: 'off',
    parse: listenAddressOrOff,
  },
  webhookCert: {
    name: 'webhook-cert',
    argument: 'FILE',
    help: 'certificate of --webhook (PEM), read again every minute; without it the control plane makes one and keeps the caBundle of the webhook configurations named roost',
    default: '',
    parse: text,
  },
  webhookKey: {
    name: 'webhook-key',
    argument: 'FILE',
    help: 'key of --webhook-cert (PEM)',
    default: '',
    parse: text,
  },
  webhookSecret: {
    name: 'webhook-secret',
    argument: 'NAMESPACE/NAME',
    help: 'Secret in which control planes share the authority of that certificate; it must exist and may be empty',
    default: 'roost-system/roost-webhook',
    parse: secretName,
  },
  webhookHost: {
    name: 'webhook-host',
    argument: 'NAME',
    help: 'name of the Service by which the API server calls --webhook',
    default: 'roost-control-plane.roost-system.svc',
    parse: text,
  },
  ...INJECT_FLAGS,
} as const satisfies Flags;

/** What these flags contradict each other in. */
export function webhookProblems(
  flags: Values<typeof WEBHOOK_FLAGS>,
): readonly (readonly [wrong: boolean, problem: string])[] {
  const { webhookCert, webhookKey } = flags;
  return [
    [
      (webhookCert === '') !== (webhookKey === ''),
      '--webhook-cert and --webhook-key go together; one of them is missing',
    ],
  ];
}

/** As the control plane takes them; undefined: there is no webhook. */
export function webhookOptions(flags: Values<typeof WEBHOOK_FLAGS>) {
  const { webhook: address, webhookCert: cert, webhookKey: key } = flags;
  if (address === undefined) return undefined;
  return {
    address,
    files: cert === '' ? undefined : { cert, key },
    secret: flags.webhookSecret,
    host: flags.webhookHost,
    inject: injectSettingsOf(flags),
  };
}

function listenAddressOrOff(value: string): SocketAddress | undefined {
  return value === 'off' ? undefined : listenAddress(value);
}

function secretName(value: string): { readonly namespace: string; readonly name: string } {
  const [namespace, name, ...rest] = value.split('/');
  if (!namespace || !name || rest.length > 0) throw new FlagError('is not a NAMESPACE/NAME');
  return { namespace, name };
}
