import { splitHostPort } from '../../src/model/formats.js';

/** Listeners of this process that are not for requests of others: each has a cell for its port. */
const LISTENERS = ['outbound', 'admin', 'metrics', 'csds'] as const;
export type OwnListener = (typeof LISTENERS)[number];

/** The ports that this process listens on, in memory that all of its workers share. */
export class OwnPorts {
  /** @param cells to be handed to every worker; a port each, 0: none yet */
  constructor(readonly cells: Int32Array = new Int32Array(new SharedArrayBuffer(4 * LISTENERS.length))) {}

  /** @param address where the listener listens, port filled in */
  note(listener: OwnListener, address: string): void {
    this.cells[LISTENERS.indexOf(listener)] = splitHostPort(address)?.port ?? 0;
  }

  listenerOn(port: number): OwnListener | undefined {
    const at = this.cells.indexOf(port);
    return at === -1 ? undefined : LISTENERS[at];
  }
}
