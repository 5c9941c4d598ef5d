/** A call's wait for the pins of the service that it calls. */
export interface PinWait {
  /** How long the call may wait at most. */
  readonly waitMs: number;
  /** The call is over, or waits no longer. */
  cancel(): void;
}

/** Where requests get the pins of other sidecars from, and tell of their own. */
export interface FleetPins {
  /** Calls wait for all pins of a service, and only the first ones; not for those of their own session. */
  readonly perService: boolean;
  /** A session has a new pin, or has been used for some time. @param key what the session table finds it by */
  note(service: string, key: bigint): void;
  /**
   * A session without a pin here may have one elsewhere, if this sidecar has not been told of the service's pins.
   *
   * @param key what the session table finds the session by
   * @param resume called once they are here
   * @returns undefined: there is nothing to wait for
   */
  await(service: string, key: bigint, resume: () => void): PinWait | undefined;
}

/** How long the first calls of a sidecar to a service wait for its pins. */
export const FIRST_CALL_WAIT_MS = 200;
