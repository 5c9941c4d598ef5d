import { isImplemented } from '../model/unsupported.js';
import type { RouteInput } from './document.js';
import type { Ingress } from './ingress.js';

type Redirect = NonNullable<RouteInput['redirect']>;
type Status = NonNullable<Redirect['status']>;

const STATUSES: readonly Status[] = [301, 302, 303, 307, 308];
/** In the order in which ingress-nginx asks. */
const KINDS = [
  { name: 'temporal-redirect', usually: 302 },
  { name: 'permanent-redirect', usually: 301 },
] as const;

/** Where an Ingress sends its clients to instead of answering. */
export function readRedirect(ingress: Ingress): Redirect | undefined {
  const kind = KINDS.find(({ name }) => ingress.text(name) !== undefined);
  if (kind === undefined) {
    const note = 'has no effect without a redirect, there or here';
    for (const { name } of KINDS) ingress.remark(`${name}-code`, { outcome: 'exact', becomes: '', note });
    return undefined;
  }
  if (!isImplemented('spec.routes[].redirect')) {
    const note = 'requests go to the app: routes[].redirect is not implemented yet';
    for (const { name } of KINDS) {
      ingress.remark(name, { outcome: 'none', becomes: '', note });
      ingress.remark(`${name}-code`, { outcome: 'none', becomes: '', note });
    }
    return undefined;
  }
  const target = parseTarget(ingress.text(kind.name) ?? '');
  if (typeof target === 'string') {
    ingress.refuseAnnotation(kind.name, target);
    return undefined;
  }
  const status = readStatus(ingress, `${kind.name}-code`, kind.usually);
  return { ...target, status };
}

/** @returns a text: why this is no target */
export function parseTarget(text: string): Redirect | string {
  if (!URL.canParse(text)) return `"${text}" is not a URL`;
  const { protocol, hostname, port, pathname, search, hash } = new URL(text);
  const scheme = protocol.slice(0, -1);
  if (scheme !== 'http' && scheme !== 'https') return `"${text}" is not a URL of http or https`;
  if (/[$]/.test(text)) return `"${text}" has variables of nginx`;
  if (search !== '' || hash !== '')
    return `"${text}" has a query or a fragment, which a redirect here has not`;
  return { scheme, host: hostname, ...(port === '' ? {} : { port: Number(port) }), path: pathname };
}

function readStatus(ingress: Ingress, name: string, usually: Status): Status {
  const code = ingress.wholeNumber(name, `ingress-nginx takes ${usually}`);
  const known = STATUSES.find((status) => status === (code ?? usually));
  if (known === undefined)
    ingress.refuseAnnotation(name, `${code} is none of ${STATUSES.join(', ')}; ${usually} is taken`);
  return known ?? usually;
}
