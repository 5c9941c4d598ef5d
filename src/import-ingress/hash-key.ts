import { headerName } from '../model/scalars.js';
import type { AffinityInput } from './document.js';
import type { Ingress } from './ingress.js';

type KeySource = AffinityInput['key'][number];

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
  if (typeof key !== 'string') return { key: [key], version: 'none', endpoint: 'balanced' };
  ingress.remark('upstream-hash-by', { outcome: 'none', becomes: '', note: key });
  return undefined;
}

/** @returns a text: why the variable is no key of a session */
function keyOf(variable: string): KeySource | string {
  const header = /^http_(\w+)$/.exec(variable)?.[1]?.replaceAll('_', '-');
  if (header !== undefined && header !== 'cookie' && headerName.safeParse(header).success) return { header };
  const query = /^arg_(\w+)$/.exec(variable)?.[1];
  if (query !== undefined) return { query };
  if (variable.startsWith('cookie_'))
    return 'a cookie that the app sets is no key: a session cookie of Roost has a value of its own; use a header that callers send';
  if (/^(binary_)?remote_addr$/.test(variable))
    return 'in the mesh a caller is the pod beside its sidecar, so the address would tell no users apart; use a header such as x-user-id';
  return 'a key is a header, a cookie of its own, a query parameter or a baggage member; not the path, the host or a text made of several';
}
