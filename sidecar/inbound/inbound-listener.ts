import type { LocalReply } from '../../src/http/error-catalogue.js';
import { Exchange } from '../exchange/exchange.js';
import { ImmediateAnswer } from '../exchange/immediate-answer.js';
import { APP_PROBE } from '../http/app-refusal.js';
import type { HttpLimits } from '../http/limits.js';
import type { DownstreamConnection } from '../http1/downstream-connection.js';
import { localAnswerText } from '../http1/local-reply.js';
import type { ConcurrencySlots } from '../net/concurrency-slots.js';
import { Listener } from '../net/listener.js';
import { tryConnect } from '../tls/try-connect.js';
import { InboundForwarder, type InboundServices } from './inbound-forwarder.js';

export interface InboundOptions {
  readonly services: InboundServices;
  readonly limits: HttpLimits;
  readonly slots: ConcurrencySlots;
  nowMs(): number;
  onRefused(reply: LocalReply, client: string): void;
}

/** Where other pods' calls for the local app arrive. */
export function createInboundListener(options: InboundOptions): Listener {
  const { services, limits, slots, nowMs, onRefused } = options;
  const settings = { limits, nowMs };
  return new Listener({
    what: 'inbound calls (--inbound)',
    limits,
    slots,
    nowMs,
    onRefused,
    onRequest: (connection) => {
      if (connection.request.method === 'CONNECT') return refuseConnect(connection);
      if (asksForApp(connection)) return appProbeAnswer(connection, services);
      return new Exchange(connection, settings, new InboundForwarder(services));
    },
    onOpaque: refuseConnect,
  });
}

/** Another sidecar asks whether the app takes connections. */
function asksForApp({ request }: DownstreamConnection): boolean {
  return request.target === '*' && request.connection.nominated.includes(APP_PROBE);
}

function appProbeAnswer(connection: DownstreamConnection, { app }: InboundServices): ImmediateAnswer {
  return new ImmediateAnswer(() => {
    tryConnect(app, app.connectTimeoutMs, (failure) => {
      const detail = `the app at ${app.address}: ${failure}`;
      const answer =
        failure === undefined
          ? 'HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n'
          : localAnswerText({ code: 'connect-failure', detail }, { close: true, head: false });
      connection.writer.writeText(answer);
      connection.endResponse(false);
    });
  });
}

/** This sidecar opens connections for its own app only. */
function refuseConnect(connection: DownstreamConnection): ImmediateAnswer {
  return new ImmediateAnswer(() => {
    const reply = { code: 'malformed-request', detail: 'CONNECT is not for inbound calls' } as const;
    connection.writer.writeText(localAnswerText(reply, { close: true, head: false }));
    connection.endResponse(false);
  });
}
