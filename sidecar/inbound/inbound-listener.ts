import type { LocalReply } from '../../src/http/error-catalogue.js';
import type { DownstreamConnection } from '../http1/downstream-connection.js';
import type { Http1Limits } from '../http1/limits.js';
import { localReplyText } from '../http1/local-reply.js';
import { Exchange } from '../proxy/exchange.js';
import { ImmediateAnswer } from '../proxy/immediate-answer.js';
import { Listener } from '../proxy/listener.js';
import { APP_PROBE } from '../upstream/app-refusal.js';
import type { Places } from '../upstream/places.js';
import { tryConnect } from '../upstream/try-connect.js';
import { InboundForwarder, type InboundServices } from './inbound-forwarder.js';

export interface InboundOptions {
  readonly services: InboundServices;
  readonly limits: Http1Limits;
  readonly places: Places;
  nowMs(): number;
  onRefused(reply: LocalReply, client: string): void;
}

/** Where other pods' calls for the local app arrive. */
export function createInboundListener(options: InboundOptions): Listener {
  const { services, limits, places, nowMs, onRefused } = options;
  const settings = { limits, nowMs };
  return new Listener({
    what: 'inbound calls (--inbound)',
    limits,
    places,
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
          : localReplyText({ code: 'connect-failure', detail }, { close: true, head: false });
      connection.writer.writeText(answer);
      connection.endResponse(false);
    });
  });
}

/** This sidecar opens connections for its own app only. */
function refuseConnect(connection: DownstreamConnection): ImmediateAnswer {
  return new ImmediateAnswer(() => {
    const reply = { code: 'malformed-request', detail: 'CONNECT is not for inbound calls' } as const;
    connection.writer.writeText(localReplyText(reply, { close: true, head: false }));
    connection.endResponse(false);
  });
}
