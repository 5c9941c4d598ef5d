import { hostname } from '../model/scalars.js';
import { isImplemented } from '../model/unsupported.js';
import type { RetriesInput, RouteInput } from './document.js';
import type { Rule } from './groups.js';
import type { Ingress } from './ingress.js';
import { readRedirect } from './redirect.js';

/** What an Ingress asks of every request on its paths, beside where it goes. */
export type RouteSettings = Pick<RouteInput, 'idleTimeout' | 'retries' | 'redirect' | 'rewrite' | 'headers'>;

export function readRouteSettings({ ingress, rewrite }: Rule): RouteSettings {
  const redirect = readRedirect(ingress);
  if (redirect) return { redirect };
  return {
    ...readIdleTimeout(ingress),
    ...readRetries(ingress),
    ...readRewrites(ingress, rewrite),
    ...readHeaders(ingress),
  };
}

function readRewrites(ingress: Ingress, path: RouteInput['rewrite']): RouteSettings {
  const host = readHost(ingress);
  return path || host ? { rewrite: { ...path, ...(host === undefined ? {} : { host }) } } : {};
}

function readHost(ingress: Ingress): string | undefined {
  const host = ingress.text('upstream-vhost');
  if (host === undefined) return undefined;
  if (!isImplemented('spec.routes[].rewrite')) {
    const note = 'the app gets the Host that was sent: routes[].rewrite is not implemented yet';
    ingress.remark('upstream-vhost', { outcome: 'none', becomes: '', note });
    return undefined;
  }
  if (hostname.safeParse(host).success) return host;
  ingress.refuseAnnotation(
    'upstream-vhost',
    `"${host}" is not a host name; the app gets the Host that was sent`,
  );
  return undefined;
}

function readHeaders(ingress: Ingress): RouteSettings {
  const prefix = ingress.text('x-forwarded-prefix');
  if (prefix === undefined) return {};
  if (ingress.text('rewrite-target') === undefined) {
    const note = 'has no effect without rewrite-target, there or here';
    ingress.remark('x-forwarded-prefix', { outcome: 'exact', becomes: '', note });
    return {};
  }
  if (isImplemented('spec.routes[].headers') && !prefix.includes('$'))
    return { headers: { request: { set: { 'x-forwarded-prefix': prefix } } } };
  const why = prefix.includes('$')
    ? 'captures have no counterpart'
    : 'routes[].headers is not implemented yet';
  const note = `the header is not set: ${why}`;
  ingress.remark('x-forwarded-prefix', { outcome: 'none', becomes: '', note });
  return {};
}

function readIdleTimeout(ingress: Ingress): RouteSettings {
  const given = ['proxy-read-timeout', 'proxy-send-timeout'].flatMap((name) => {
    const seconds = ingress.timerSeconds(
      name,
      'write seconds without a unit; ingress-nginx takes its default',
    );
    if (seconds === undefined) return [];
    if (seconds > 0) return [seconds];
    ingress.refuseAnnotation(name, `${seconds} is not a timeout; write seconds`);
    return [];
  });
  return given.length === 0 ? {} : { idleTimeout: formatSeconds(Math.max(...given)) };
}

/** `3600` → `1h` */
export function formatSeconds(seconds: number): string {
  if (seconds % 3600 === 0) return `${seconds / 3600}h`;
  return seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`;
}

type Condition = NonNullable<RetriesInput['on']>[number];

/** What ingress-nginx does where only the number of tries is given. */
const DEFAULT_CONDITIONS = 'error timeout';
const DEFAULT_TRIES = 3;
const MOST_ATTEMPTS = 10;

function readRetries(ingress: Ingress): RouteSettings {
  const conditions = ingress.text('proxy-next-upstream');
  const tries = ingress.wholeNumber('proxy-next-upstream-tries', `ingress-nginx takes ${DEFAULT_TRIES}`);
  if (conditions === undefined && tries === undefined) return {};
  const on = readConditions(ingress, conditions ?? DEFAULT_CONDITIONS);
  const attempts = toAttempts(tries ?? DEFAULT_TRIES);
  return on.length === 0 || attempts === 0 ? {} : { retries: { attempts, on } };
}

function toAttempts(tries: number): number {
  return tries <= 0 ? MOST_ATTEMPTS : Math.min(tries - 1, MOST_ATTEMPTS);
}

const LEFT_OUT: ReadonlyMap<string, string> = new Map(
  Object.entries({
    timeout: 'a try that timed out is not repeated',
    invalid_header: 'a broken response is not asked for again',
    non_idempotent: 'POST, PATCH and the like are sent again only where no pod has seen them',
  }),
);

function readConditions(ingress: Ingress, text: string): Condition[] {
  const words = text.split(/\s+/);
  if (words.includes('off')) {
    const note =
      'no retries; a refused connection is still tried on another pod of the release, which no app notices';
    ingress.remark('proxy-next-upstream', { note });
    return [];
  }
  const unknown = words.filter(
    (word) => !LEFT_OUT.has(word) && word !== 'error' && !/^http_[45]\d\d$/.test(word),
  );
  if (unknown.length > 0)
    ingress.refuseAnnotation('proxy-next-upstream', `${unknown.join(', ')}: no condition of nginx`);
  const leftOut = words.flatMap((word) =>
    LEFT_OUT.has(word) ? [`${word} is left out: ${LEFT_OUT.get(word)}`] : [],
  );
  if (leftOut.length > 0) ingress.remark('proxy-next-upstream', { note: leftOut.join('; ') });
  return words.flatMap((word): Condition[] => {
    if (word === 'error') return ['connect-failure', 'reset'];
    return /^http_[45]\d\d$/.test(word) ? [word.slice('http_'.length)] : [];
  });
}
