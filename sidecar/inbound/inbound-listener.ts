import type { LocalReply } from '../../src/http/error-catalogue.js';
import { Exchange } from '../exchange/exchange.js';
import { ImmediateAnswer } from '../exchange/immediate-answer.js';
import { APP_PROBE } from '../http/app-refusal.js';
import type { DownstreamConnection } from '../http1/downstream-connection.js';
import { Dispatcher, type DispatchSettings } from '../intercept/dispatcher.js';
import type { ConcurrencySlots } from '../net/concurrency-slots.js';
import { Listener } from '../net/listener.js';
import { TcpTunnel } from '../tcp/tcp-tunnel.js';
import { tryConnect } from '../tls/try-connect.js';
import { AppTunnelRoute, type OnAppTunnelFinished } from './app-tunnel.js';
import { InboundForwarder, type InboundServices } from './inbound-forwarder.js';

export interface InboundOptions {
  readonly services: InboundServices;
  readonly dispatch: DispatchSettings;
  readonly slots: ConcurrencySlots;
  readonly onTunnelFinished: OnAppTunnelFinished;
  onRefused(reply: LocalReply, client: string): void;
}

/** Where other pods' calls for the local app arrive. */
export function createInboundListener(options: InboundOptions): Listener {
  const { services, dispatch, slots, onTunnelFinished, onRefused } = options;
  const { limits, nowMs } = dispatch;
  const settings = { limits, nowMs };
  const overHttp2 = { ...services, apps: services.appsOverHttp2 };
  const dispatcher = new Dispatcher(dispatch, {
    onRequest: (connection) => {
      // This sidecar opens connections for its own app only.
      if (connection.request.method === 'CONNECT')
        return new ImmediateAnswer(() => connection.answerLast(CONNECT_REFUSED));
      if (asksForApp(connection)) return appProbeAnswer(connection, services);
      return new Exchange(connection, settings, new InboundForwarder(services));
    },
    onStream: (stream) =>
      stream.request.method === 'CONNECT'
        ? new ImmediateAnswer(() => stream.answer(CONNECT_REFUSED))
        : new Exchange(stream, settings, new InboundForwarder(overHttp2)),
    onOpaque: (client) =>
      new TcpTunnel(client, new AppTunnelRoute(client, services.apps, onTunnelFinished), {
        limits,
        nowMs,
      }).start(),
    onRefused,
  });
  const { maxConnections } = limits;
  return new Listener({ what: 'inbound calls (--inbound)', maxConnections, slots }, dispatcher);
}

const CONNECT_REFUSED: LocalReply = { code: 'malformed-request', detail: 'CONNECT is not for inbound calls' };

/** Another sidecar asks whether the app takes connections. */
function asksForApp({ request }: DownstreamConnection): boolean {
  return request.target === '*' && request.connection.nominated.includes(APP_PROBE);
}

function appProbeAnswer(connection: DownstreamConnection, { apps }: InboundServices): ImmediateAnswer {
  return new ImmediateAnswer(() => {
    const app = apps.at(connection.destination);
    if ('code' in app) {
      connection.answer(app);
      return;
    }
    tryConnect(app, app.connectTimeoutMs, (failure) => {
      if (failure === undefined) connection.answerEmpty();
      else
        connection.answerLast({ code: 'connect-failure', detail: `the app at ${app.address}: ${failure}` });
    });
  });
}
