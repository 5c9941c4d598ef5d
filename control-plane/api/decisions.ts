import { toStruct } from '../../src/api/struct.js';
import type { MeshService, ServiceKey } from '../../src/model/mesh-service.js';
import { canonicalIp } from '../../src/net/ip-address.js';
import { explainDecision } from '../../src/routing/explain.js';
import { plainRequest } from '../../src/routing/request-view.js';
import type { SessionSurvey } from '../load/session-survey.js';
import { decisionTable } from '../plan/decision-table.js';
import { planChange, planNothing } from '../plan/plan.js';
import type { SessionHub } from '../sessions/session-hub.js';
import { sharedPins } from '../sessions/session-report.js';
import type { TranslateContext } from '../translate/policy.js';

export interface ExplainRequest {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly sourceIp: string;
}

/** Explains a request to a service as a sidecar would decide it that knows what its siblings share, and no more. */
export function explain(
  service: MeshService,
  request: ExplainRequest,
  context: TranslateContext,
  hub: SessionHub,
): object {
  const view = plainRequest({
    method: request.method || 'GET',
    path: request.path || '/',
    headers: request.headers.map(({ name, value }) => [name, value] as const),
    ...(request.sourceIp === '' ? {} : { sourceIp: canonicalIp(request.sourceIp) ?? request.sourceIp }),
  });
  const decision = { nowMs: 0, random: Math.random, findPin: sharedPins(hub) };
  return { explanation: toStruct(explainDecision(decisionTable(service, context), view, decision)) };
}

export interface PlanCall {
  readonly key: ServiceKey;
  readonly before: MeshService | undefined;
  readonly after: MeshService;
  readonly context: TranslateContext;
  /** The one that the change would make. */
  readonly revision: number;
  readonly survey: SessionSurvey;
}

/** Plans a change, with the sessions that sidecars hold now. */
export async function plan({ key, before, after, context, revision, survey }: PlanCall): Promise<object> {
  const unchanged = before !== undefined && JSON.stringify(before.spec) === JSON.stringify(after.spec);
  // Of a folder of documents most are as they were: sidecars are not asked about these.
  if (unchanged) return { key, isNew: false, unchanged, routes: planNothing(after, context) };
  const routes = await planChange({
    before,
    after,
    context,
    revision,
    survey: (wanted) => survey.take(wanted),
  });
  return { key, isNew: before === undefined, unchanged, routes };
}
