import { type Client, connectivityState, Metadata, type ServiceError, status } from '@grpc/grpc-js';

/** Waits until a connection is made or has failed. @returns false: neither in time */
export function isSettled(client: Client, withinMs: number): Promise<boolean> {
  const channel = client.getChannel();
  const deadline = Date.now() + withinMs;
  return new Promise((resolve) => {
    const look = () => {
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY || state === connectivityState.TRANSIENT_FAILURE)
        return resolve(true);
      channel.watchConnectivityState(state, deadline, (error) => (error ? resolve(false) : look()));
    };
    look();
  });
}

/** As grpc-js has it for a connection that was refused. */
export function unreached(): ServiceError {
  const details = 'No connection established. Last error: no answer to the connection. Resolution note: ';
  return Object.assign(new Error(details), { code: status.UNAVAILABLE, details, metadata: new Metadata() });
}
