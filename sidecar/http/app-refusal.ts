import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Field } from '../../src/http/field-line.js';

/**
 * Field of an inbound sidecar's 502: the app took no connection, so nothing of the request was sent to it. Sidecars
 * take it off every answer that they forward.
 */
export const APP_REFUSES = 'x-roost-app-refuses';

/** Connection option of the `OPTIONS *` with which a sidecar asks another one whether its app takes connections again. */
export const APP_PROBE = 'roost-app-probe';

/**
 * What makes {@link APP_REFUSES} believable: a MAC that only sidecars of the mesh can make, over the address that was
 * called and the request's id. An app has no key; and what a sidecar has said of itself is of no use at another address,
 * nor for another request.
 */
export class AppRefusals {
  /** What sidecars of one store share; undefined: the control plane has not said. */
  key: Uint8Array | undefined;

  /**
   * @param address that the request came to
   * @param requestId empty: it has none
   * @returns the header field; undefined where there is no key
   */
  field(address: string, requestId: string): Field | undefined {
    return this.key && [APP_REFUSES, macOf(this.key, address, requestId)];
  }

  /** @param value of {@link APP_REFUSES}. @param address that was connected to */
  isTrue(value: string, address: string, requestId: string): boolean {
    if (this.key === undefined) return false;
    const [said, expected] = [Buffer.from(value), Buffer.from(macOf(this.key, address, requestId))];
    return said.length === expected.length && timingSafeEqual(said, expected);
  }
}

function macOf(key: Uint8Array, address: string, requestId: string): string {
  return createHmac('sha256', key).update(`${address}\0${requestId}`, 'latin1').digest('base64url');
}
