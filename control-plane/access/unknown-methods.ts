import { type Server, type ServerDuplexStream, status } from '@grpc/grpc-js';

/** The path under which interceptors see calls of methods that there are not. */
export const UNKNOWN_METHOD = '/unknown';

type Handlers = Map<string, object>;

/**
 * Makes calls of methods that do not exist pass the interceptors like all others. grpc-js answers them before it
 * asks any (`Server._retrieveHandler`), which tells a peer without credentials what there is. There is no public
 * way: the map of handlers is replaced by one that knows an answer to every path; `test/integration/access.test.ts`
 * fails where that stops working.
 */
export function interceptUnknownMethods(server: Server): void {
  const holder = server as unknown as { handlers: Handlers };
  holder.handlers = new HandlersOfAll(holder.handlers);
}

class HandlersOfAll extends Map<string, object> {
  override get(path: string): object {
    return super.get(path) ?? unimplemented(path);
  }
}

/** Bidirectional, so that it is asked as soon as the call is there, whatever messages come or do not. */
function unimplemented(path: string): object {
  return {
    path: UNKNOWN_METHOD,
    type: 'bidi',
    serialize: (value: Buffer) => value,
    deserialize: (bytes: Buffer) => bytes,
    func: (call: ServerDuplexStream<Buffer, Buffer>) =>
      call.emit('error', {
        code: status.UNIMPLEMENTED,
        details: `The server does not implement the method ${path}`,
      }),
  };
}
