import { toStruct } from '../../src/api/struct.js';
import type { MeshService, ServiceKey } from '../../src/model/mesh-service.js';
import { canonicalIp } from '../../src/net/ip-address.js';
import { explainDecision } from '../../src/routing/explain.js';
import { plainRequest } from '../../src/routing/request-view.js';
import { clusterName } from '../../src/xds/resource-names.js';
import type { LoadStore } from '../load/load-store.js';
import { decisionTable } from '../plan/decision-table.js';
import { planChange, type RoutePlan } from '../plan/plan.js';
import type { TranslateContext } from '../translate/policy.js';

export interface ExplainRequest {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly sourceIp: string;
}

/** Explains a request to a service as a sidecar that has seen nothing yet would decide it. */
export function explain(service: MeshService, request: ExplainRequest, context: TranslateContext): object {
  const view = plainRequest({
    method: request.method || 'GET',
    path: request.path || '/',
    headers: request.headers.map(({ name, value }) => [name, value] as const),
    ...(request.sourceIp === '' ? {} : { sourceIp: canonicalIp(request.sourceIp) ?? request.sourceIp }),
  });
  const decision = { nowMs: 0, random: Math.random, findPin: () => undefined };
  return { explanation: toStruct(explainDecision(decisionTable(service, context), view, decision)) };
}

/** Plans a change, and counts the pins that sidecars hold now against it. */
export async function plan(
  key: ServiceKey,
  before: MeshService | undefined,
  after: MeshService,
  context: TranslateContext,
  load: LoadStore,
): Promise<object> {
  const routes = await planChange(before, after, context);
  const pins = before === undefined ? [] : livePins(before, load);
  return {
    key,
    isNew: before === undefined,
    unchanged: before !== undefined && JSON.stringify(before.spec) === JSON.stringify(after.spec),
    routes: routes.map((route) => ({ ...route, ...countPins(route, pins) })),
  };
}

interface LivePins {
  readonly endpoint: string;
  readonly count: number;
}

function livePins(service: MeshService, load: LoadStore): LivePins[] {
  const clusters = new Set(service.spec.versions.map(({ name }) => clusterName(service, name)));
  return load.totals(clusters).map(({ address, now }) => ({ endpoint: address, count: now.pins }));
}

/** Sessions on one endpoint share their fate but for the slots that a change moves: those are counted by share. */
function countPins(
  { pins: fates }: RoutePlan,
  live: readonly LivePins[],
): { livePins: number; movedPins: number } {
  const moved = new Map(fates.map((fate) => [fate.endpoint, fate.moved]));
  return {
    livePins: live.reduce((sum, { count }) => sum + count, 0),
    movedPins: Math.round(
      live.reduce((sum, { endpoint, count }) => sum + count * (moved.get(endpoint) ?? 0), 0),
    ),
  };
}
