import type { ChannelSecurityOptions } from '../../access/channel-security.js';
import { type Flags, text, type Values } from '../flags.js';

/** How a client of the control plane proves who it is. */
const CREDENTIAL_FLAGS = {
  tokenFile: {
    name: 'token-file',
    argument: 'FILE',
    help: 'file with the token for the control plane; ROOST_TOKEN holds the token itself',
    default: '',
    parse: text,
  },
  clientCert: {
    name: 'client-cert',
    argument: 'FILE',
    help: 'certificate (PEM) to show to the control plane',
    default: '',
    parse: text,
  },
  clientKey: {
    name: 'client-key',
    argument: 'FILE',
    help: 'key of --client-cert (PEM)',
    default: '',
    parse: text,
  },
} as const satisfies Flags;

const CA_HELP =
  'PEM file with the CA of the control plane\'s certificate, or "system" for those this machine trusts; with it, TLS is used';

/** Of commands that talk to the control plane. */
export const CLIENT_SECURITY_FLAGS = {
  ca: { name: 'ca', argument: 'FILE', help: CA_HELP, default: '', parse: text },
  ...CREDENTIAL_FLAGS,
} as const satisfies Flags;

/** Of the sidecar. */
export const SIDECAR_SECURITY_FLAGS = {
  controlPlaneCa: { name: 'control-plane-ca', argument: 'FILE', help: CA_HELP, default: '', parse: text },
  ...CREDENTIAL_FLAGS,
} as const satisfies Flags;

/** A token has no flag: what is written on a command line can be read by every process of the machine. */
export function securityOf(
  flags: Values<typeof CREDENTIAL_FLAGS> & { readonly ca: string },
  environment = process.env,
): ChannelSecurityOptions {
  const { ca, clientCert, clientKey, tokenFile } = flags;
  return { ca, clientCert, clientKey, tokenFile, token: environment.ROOST_TOKEN?.trim() ?? '' };
}
