import type { LocalReply } from '../../src/http/error-catalogue.js';
import { type Field, NO_FIELDS } from '../../src/http/field-line.js';
import { IDEMPOTENT_METHODS } from '../../src/http/methods.js';
import type { RequestView } from '../../src/routing/request-view.js';
import type { UpstreamEndpoint } from '../cluster/upstream-endpoint.js';
import type { Call } from '../exchange/forwarder.js';
import { type Forwarder, NO_TIMEOUTS, type Step } from '../exchange/forwarder.js';
import type { AppRefusals } from '../http/app-refusal.js';
import type { LoopMarks } from '../http/loop-marks.js';
import type { RequestEdits } from '../http/message.js';
import { ERROR_OF_FAILURE, type UpstreamFailure } from '../http/upstream-failure.js';
import type { AppEndpoints } from './app-endpoints.js';

/** What all inbound exchanges share. */
export interface InboundServices {
  readonly apps: AppEndpoints;
  /** The same, spoken to with HTTP/2: the app gets a request in the protocol in which it came. */
  readonly appsOverHttp2: AppEndpoints;
  readonly refusals: AppRefusals;
  readonly loops: LoopMarks;
  newRequestId(): string;
  /** A request has arrived that the app's own calls may have to follow. */
  onArrived(request: RequestView): void;
  onFinished(call: Call): void;
}

/** Hands one request from another pod to the local app. */
export class InboundForwarder implements Forwarder {
  readonly timeouts = NO_TIMEOUTS;
  readonly responseChanges = undefined;
  /** The local app, once the request was let through. */
  private app: UpstreamEndpoint | undefined;
  private triedFresh = false;
  private via = '';

  constructor(private readonly services: InboundServices) {}

  begin(call: Call): Step {
    const via = this.services.loops.pass(call.downstream.request);
    if (typeof via !== 'string') return { reply: via };
    this.via = via;
    const app = this.services.apps.at(call.downstream.destination);
    if ('code' in app) return { reply: app };
    this.app = app;
    this.services.onArrived(call.downstream.request);
    return { target: { endpoint: app, delayMs: 0, fresh: false } };
  }

  /** Only a pooled connection that turns out dead is tried again: retries are the caller's sidecar's to make. */
  afterFailure(call: Call, failure: UpstreamFailure): Step {
    const repeats = IDEMPOTENT_METHODS.has(call.method);
    if (failure.kind === 'stale' && repeats && call.canReplay && !this.triedFresh && this.app) {
      this.triedFresh = true;
      return { target: { endpoint: this.app, delayMs: 0, fresh: true } };
    }
    const detail = `the app at ${this.app?.address}: ${failure.reason}`;
    if (failure.kind === 'connect') return { reply: this.refusal(call, detail) };
    return { reply: { code: ERROR_OF_FAILURE[failure.kind], detail } };
  }

  /** Nothing was sent to the app, and the caller's sidecar can know it: it may send the request elsewhere. */
  private refusal({ downstream }: Call, detail: string): LocalReply {
    const { localAddress, request } = downstream;
    return { code: 'connect-failure', detail, field: this.services.refusals.field(localAddress, request.id) };
  }

  afterResponse(): undefined {
    return undefined;
  }

  requestEdits(): RequestEdits {
    return { requestId: this.services.newRequestId, via: this.via, baggage: undefined };
  }

  addedFields(): readonly Field[] {
    return NO_FIELDS;
  }

  finished(call: Call): void {
    this.services.onFinished(call);
  }
}
