import type { Field } from '../../src/http/field-line.js';
import type { Mirror, RequestChanges, RouteActions } from '../../src/routing/actions.js';
import type { Route, VirtualHost } from '../../src/routing/table.js';
import type { Call, Step } from '../exchange/forwarder.js';
import type { ReplayBuffer } from '../exchange/replay-buffer.js';
import type { RequestEdits, RequestMessage } from '../http/message.js';
import type { ActionCounts, CountedAction } from './action-counts.js';
import type { CopyResult, Mirrors } from './mirrors.js';

/** What the actions of routes need from outside. */
export interface ActionServices {
  readonly context: { random(): number };
  readonly actionCounts: ActionCounts;
  readonly mirrors: Mirrors;
}

/** A request whose route does something. */
export interface ActedOn {
  readonly host: VirtualHost;
  readonly route: Route;
  readonly actions: RouteActions;
  readonly request: RequestMessage;
}

/**
 * What comes before a request is placed: a fault, which befalls it once, however often it is tried afterwards, then
 * an answer without an upstream. The order is Envoy's, whose fault filter sits before its router.
 *
 * @param place what comes otherwise
 */
export function actBeforePlacing(acted: ActedOn, services: ActionServices, place: () => Step): Step {
  const { fault, redirect } = acted.actions;
  const { random } = services.context;
  const goOn = (): Step => {
    if (fault !== undefined && fault.abortStatus !== 0 && random() < fault.abortFraction) {
      countAction(acted, services, 'aborted');
      return { reply: { code: 'fault-injected', detail: acted.route.name, status: fault.abortStatus } };
    }
    if (redirect === undefined) return place();
    countAction(acted, services, 'redirected');
    return { reply: redirect(acted.request) };
  };
  if (fault === undefined || fault.delayMs === 0 || random() >= fault.delayFraction) return goOn();
  countAction(acted, services, 'delayed');
  return { waitMs: fault.delayMs, afterwards: goOn };
}

/**
 * Has copies sent once the whole request is here, to the mirrors that chance picks. A request whose body is not kept
 * is not copied: it is too long, or its response began before its end. Nor is one whose protocol is switched; clients
 * offer that with ordinary requests, too, so that only the answer tells (RFC 9110 section 7.8).
 *
 * @param editsFor a mirror, whose lane differs
 */
export function mirrorWhenWhole(
  call: Call,
  acted: ActedOn,
  services: ActionServices,
  editsFor: (mirror: Mirror) => RequestEdits,
): void {
  const { actions, request, route } = acted;
  if (actions.mirrors.length === 0) return;
  const chosen = actions.mirrors.filter(({ fraction }) => services.context.random() < fraction);
  if (chosen.length === 0) return;
  const onResult = (result: CopyResult) => countAction(acted, services, result);
  const copy = (body: ReplayBuffer, trailers: readonly Field[]) => {
    for (const mirror of chosen) {
      if (!body.intact) onResult('mirror-skipped');
      else
        services.mirrors.send({
          cluster: mirror.release.cluster,
          request,
          edits: editsFor(mirror),
          body,
          trailers,
          timeoutMs: route.timeouts.requestMs,
          onResult,
        });
    }
  };
  if (request.upgradeOffer === undefined) call.whenWhole(copy);
  else
    call.whenDecided((switches) => {
      if (!switches) call.whenWhole(copy);
      else for (const _ of chosen) onResult('mirror-skipped');
    });
}

/** A copy's host, as Envoy marks it: `shop.example:80` becomes `shop.example-shadow:80`. */
export function withShadowHost(changes: RequestChanges | undefined, authority: string): RequestChanges {
  const host = (changes?.host || authority).replace(/(:\d+)?$/, '-shadow$1');
  return { fields: changes?.fields, path: changes?.path, host };
}

function countAction(
  { host, route }: Pick<ActedOn, 'host' | 'route'>,
  { actionCounts }: Pick<ActionServices, 'actionCounts'>,
  action: CountedAction,
): void {
  actionCounts.count({ service: host.service.label, route: route.name, action });
}
