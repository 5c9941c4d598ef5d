import type { HeaderName } from '../../../src/http/header-name.js';
import type { RequestView } from '../../../src/routing/request-view.js';

const NONE: readonly string[] = [];

/** A request as the decision sees it, filled again for every call. */
export class SimRequest implements RequestView {
  readonly method = 'GET';
  readonly authority = '';
  readonly path = '/';
  readonly sourceIp = '10.255.0.1';
  query = '';
  private names: string[] = [];
  private values: string[] = [];

  clear(): void {
    this.names = [];
    this.values = [];
    this.query = '';
  }

  /** @param name in lower case */
  add(name: string, value: string): void {
    this.names.push(name);
    this.values.push(value);
  }

  header({ lower }: HeaderName): string | undefined {
    const at = this.names.indexOf(lower);
    return at === -1 ? undefined : this.values[at];
  }

  headerValues({ lower }: HeaderName): readonly string[] {
    const at = this.names.indexOf(lower);
    return at === -1 ? NONE : [this.values[at] as string];
  }
}
