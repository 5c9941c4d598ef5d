import type { ServerDuplexStream } from '@grpc/grpc-js';

type Call = Pick<ServerDuplexStream<unknown, unknown>, 'on' | 'end'>;

/** Calls that go on until one side ends them: a control plane that stops must not wait for the other side. */
export class OpenCalls {
  private readonly calls = new Set<Call>();

  /** Remembers a call until it is over. @param onOver called once it is */
  add(call: Call, onOver: () => void = () => {}): void {
    this.calls.add(call);
    const leave = () => {
      if (this.calls.delete(call)) onOver();
    };
    call.on('end', () => {
      leave();
      call.end();
    });
    for (const event of ['error', 'close', 'cancelled']) call.on(event, leave);
  }

  endAll(): void {
    for (const call of this.calls) call.end();
  }
}
