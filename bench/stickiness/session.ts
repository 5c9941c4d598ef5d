import type { FastAnswer, FastCaller } from '../../test/support/fast-traffic.js';
import type { Placed } from './scoring.js';
import { HOST, TESTER_HEADER, USER_HEADER } from './sticky-peer.js';

/** One user: a name that the header carries, or a cookie jar. */
export class Session {
  private readonly jar = new Map<string, string>();

  constructor(
    readonly name: string,
    private readonly key: 'header' | 'cookie',
  ) {}

  /**
   * Calls once. A call whose connection breaks before the answer is sent again once, as HTTP clients do.
   *
   * @returns where it was answered; undefined: it failed
   */
  async call(caller: FastCaller, asTester: boolean): Promise<Placed> {
    const request = { host: HOST, headers: this.headers(asTester) };
    const answer = await caller.one(request).catch(() => caller.one(request).catch(() => undefined));
    if (answer?.status !== 200) return undefined;
    if (this.key === 'cookie') this.keep(answer);
    return { release: answer.body.split('-')[0] as string, pod: answer.body };
  }

  /** Value of the `Cookie` field; empty: no cookies. */
  get cookies(): string {
    return [...this.jar].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  private headers(asTester: boolean): [string, string][] {
    const headers: [string, string][] = asTester ? [[TESTER_HEADER, 'yes']] : [];
    if (this.key === 'header') headers.push([USER_HEADER, this.name]);
    else if (this.jar.size > 0) headers.push(['cookie', this.cookies]);
    return headers;
  }

  private keep({ setCookies }: FastAnswer): void {
    for (const cookie of setCookies) {
      const [pair = ''] = cookie.split(';');
      const equals = pair.indexOf('=');
      this.jar.set(pair.slice(0, equals).trim(), pair.slice(equals + 1));
    }
  }
}
