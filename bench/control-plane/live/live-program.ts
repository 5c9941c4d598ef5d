import { LiveServer } from './live-server.js';

/** The process of a {@link LiveServer}. Requests come over IPC, one at a time, and each is answered. */
export type LiveRequest =
  | { readonly do: 'listen'; readonly services: number }
  | {
      readonly do: 'change';
      readonly perSecond: number;
      readonly seconds: number;
      readonly everyone: boolean;
    };

let server: LiveServer | undefined;

async function serve(request: LiveRequest): Promise<unknown> {
  if (request.do === 'listen') {
    server = new LiveServer(request.services);
    return server.listen();
  }
  if (server === undefined) throw new Error('listen comes first');
  return server.change(request.perSecond, request.seconds, request.everyone);
}

process.on('message', (request: LiveRequest) => {
  serve(request).then(
    (value) => process.send?.({ value }),
    (error: unknown) => process.send?.({ error: String((error as Error).stack) }),
  );
});
process.on('disconnect', () => process.exit());
process.on('SIGTERM', () => process.exit());
