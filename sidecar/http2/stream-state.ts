/**
 * RFC 9113 section 5.1, without the states of server push, which is never enabled.
 *
 * ```
 *            headers            end received                    end sent
 *   idle ──────────────► open ───────────────► half-closed-remote ──────────► closed
 *                         │      end sent                       end received    ▲
 *                         ├───────────────────► half-closed-local ──────────────┤
 *                         └──────────────────── reset, by either ───────────────┘
 * ```
 */
export type StreamState =
  | { readonly kind: 'idle' }
  | { readonly kind: 'open' }
  /** We have sent our end. */
  | { readonly kind: 'half-closed-local' }
  /** The peer has sent its end. */
  | { readonly kind: 'half-closed-remote' }
  | { readonly kind: 'closed'; readonly by: StreamEnd };

/** How a stream ended: both sides have sent their end, or one has reset it. */
export type StreamEnd = 'end' | 'our-reset' | 'peer-reset';

export type StreamEvent = 'headers' | 'end-sent' | 'end-received' | 'reset-sent' | 'reset-received';

export const IDLE: StreamState = { kind: 'idle' };
const OPEN: StreamState = { kind: 'open' };
const HALF_CLOSED_LOCAL: StreamState = { kind: 'half-closed-local' };
const HALF_CLOSED_REMOTE: StreamState = { kind: 'half-closed-remote' };
const ENDED: StreamState = { kind: 'closed', by: 'end' };
const OUR_RESET: StreamState = { kind: 'closed', by: 'our-reset' };
const PEER_RESET: StreamState = { kind: 'closed', by: 'peer-reset' };

/** @throws Error where the event cannot happen in the state: callers check frames first, so this is a fault of ours */
export function transition(state: StreamState, event: StreamEvent): StreamState {
  if (state.kind !== 'closed') {
    switch (event) {
      case 'headers':
        return state.kind === 'idle' ? OPEN : state;
      case 'reset-sent':
        return OUR_RESET;
      case 'reset-received':
        return PEER_RESET;
      case 'end-sent':
        if (state.kind === 'open') return HALF_CLOSED_LOCAL;
        if (state.kind === 'half-closed-remote') return ENDED;
        break;
      case 'end-received':
        if (state.kind === 'open') return HALF_CLOSED_REMOTE;
        if (state.kind === 'half-closed-local') return ENDED;
    }
  }
  throw new Error(`${event} on a stream that is ${state.kind}`);
}
