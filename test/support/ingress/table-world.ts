import type { UpstreamEndpoint } from '../../../sidecar/cluster/upstream-endpoint.js';
import type { Imported } from '../../../src/import-ingress/import-ingress.js';
import { placeAgain } from '../../../src/routing/decide.js';
import { UNUSABLE } from '../../../src/routing/endpoint-set.js';
import { MeshTable } from '../mesh-table.js';
import { NO_COOKIES, pinsFor } from '../session-pins.js';
import { importObjects, PATH, slice } from './manifests.js';
import type { CaseAnswer, CaseRequest, Pods, World } from './world.js';

/** The decision function alone: imported services are translated to xDS, decoded and compiled as in production. */
export class TableWorld implements World {
  private readonly table = new MeshTable();
  /** Makes the cookies as the sidecar does. */
  private readonly sessions = pinsFor(1000);

  async apply(objects: readonly object[], pods: Pods = {}): Promise<Imported> {
    const slices = Object.entries(pods).flatMap(([service, names]) =>
      names.map((name) => slice(service, addressOf(name))),
    );
    const imported = importObjects([...objects, ...slices]);
    for (const service of imported.services) this.table.apply(service);
    return imported;
  }

  async call(request: CaseRequest = {}): Promise<CaseAnswer> {
    const placed = this.place(request);
    if (placed.endpoint === undefined) return { status: 503, pod: '', setCookie: undefined };
    const setCookie = this.sessions.keep(placed, placed.endpoint as UpstreamEndpoint, NO_COOKIES);
    return { status: 200, pod: podOf(placed.endpoint.address), setCookie };
  }

  async attempts(request: CaseRequest = {}): Promise<readonly string[]> {
    const placed = this.place(request);
    if (placed.endpoint === undefined) return [];
    const tried = [placed.endpoint];
    for (let retry = 0; retry < (placed.route.retry?.retries ?? 0); retry++)
      tried.push(placeAgain(placed, tried, Math.random) ?? placed.endpoint);
    return tried.map(({ address }) => podOf(address));
  }

  async stop(pod: string): Promise<void> {
    this.table.setUsability(addressOf(pod), UNUSABLE);
  }

  private place({ host = 'p', path = PATH, headers = {}, cookie }: CaseRequest) {
    const all = { ...headers, ...(cookie === undefined ? {} : { cookie }) };
    return this.table.send(host, { path, headers: Object.entries(all) });
  }
}

/** `p-12` ↔ `10.0.112.12:80`: the network says the Service. */
function addressOf(pod: string): string {
  const [service = '', number = ''] = pod.split('-');
  return `10.0.${service.charCodeAt(0)}.${number}:80`;
}

function podOf(address: string): string {
  const [, , network, rest = ''] = address.split('.');
  return `${String.fromCharCode(Number(network))}-${rest.split(':')[0]}`;
}
