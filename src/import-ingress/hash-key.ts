import { headerName } from '../model/scalars.js';
import type { AffinityInput } from './document.js';
import type { Ingress } from './ingress.js';

type KeySource = AffinityInput['key'][number];

const COOKIE_NOTE =
  "the app's own cookie, which Roost never sets (mint: false); its name counts with regard to case here, so write it as the app does. On Envoy's ring keys land on other pods than there; requests without the cookie are spread, not all sent to one pod";

/** One variable of nginx is a key; a text made of several is none. */
export function readHashKey(ingress: Ingress, besideCookie: boolean): AffinityInput | undefined {
  if (besideCookie) {
    const note = 'has no effect beside affinity: cookie, there or here';
    ingress.remark('upstream-hash-by', { outcome: 'exact', becomes: '', note });
    return undefined;
  }
  const text = ingress.text('upstream-hash-by') ?? '';
  const [, variable] = /^\$(?:\{(\w+)\}|(\w+))$/.exec(text)?.filter((part) => part !== undefined) ?? [];
  const key = keyOf(variable ?? '');
  if (typeof key !== 'string') {
    if (key.cookie !== undefined) ingress.remark('upstream-hash-by', { note: COOKIE_NOTE });
    return { key: [key], version: 'none', endpoint: 'balanced' };
  }
  ingress.remark('upstream-hash-by', { outcome: 'none', becomes: '', note: key });
  return undefined;
}

/** @returns a text: why the variable is not a key of a session */
function keyOf(variable: string): KeySource | string {
  const header = /^http_(\w+)$/.exec(variable)?.[1]?.replaceAll('_', '-');
  if (header !== undefined && header !== 'cookie' && headerName.safeParse(header).success) return { header };
  const query = /^arg_(\w+)$/.exec(variable)?.[1];
  if (query !== undefined) return { query };
  const cookie = /^cookie_(\w+)$/.exec(variable)?.[1];
  if (cookie !== undefined) return { cookie: { name: cookie, mint: false } };
  if (/^(binary_)?remote_addr$/.test(variable))
    return 'in the mesh a caller is the pod beside its sidecar, so the address would tell no users apart; use a header such as x-user-id';
  return 'a key is a header, a cookie, a query parameter or a baggage member; not the path, the host or a text made of several';
}
