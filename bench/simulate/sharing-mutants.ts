import type { SessionTable } from '../../sidecar/session/session-table.js';
import type { SharedPinTable } from '../../sidecar/session/sharing/service-pins.js';
import type { SharingHandlers } from '../../sidecar/session/sharing/sharing-stream.js';

/** The places where sharing can be broken on purpose. */
export interface SharingParts {
  /** The table as sharing has to do with it. */
  tableFor(table: SessionTable, nowMs: () => number): SharedPinTable;
  /** Whether a session that has been pinned, or used, is told of. */
  isTold(table: SessionTable, key: bigint, nowMs: number): boolean;
  /** What a sidecar hears of the hub. */
  received(sidecar: number, handlers: SharingHandlers): SharingHandlers;
}

/** As in production. */
export const SOUND_SHARING: SharingParts = {
  tableFor: (table) => table,
  isTold: () => true,
  received: (_, handlers) => handlers,
};

/** Sharing that is wrong in one respect, to see whether that is noticed. */
export const SHARING_MUTANTS: Readonly<
  Record<string, { readonly breaks: string; readonly parts: Partial<SharingParts> }>
> = {
  'newer-revision-wins': {
    breaks: 'S6: of two first pins, the one made under the older revision wins',
    parts: {
      tableFor: preferring(
        (here, come) => come.generation === here.generation && come.revision > here.revision,
      ),
    },
  },
  'last-one-wins': {
    breaks: 'S6: a pin that replaces another wins over it, in whatever order they come',
    parts: { tableFor: preferring((here, come) => come.generation < here.generation) },
  },
  'repins-untold': {
    breaks: 'S6: a pin that replaces another is shared like a first one',
    parts: { isTold: (table, key, nowMs) => (table.peek(key, nowMs)?.pin.generation ?? 0) === 0 },
  },
  'one-pod-untold': {
    breaks: 'S6: every sidecar that calls the service knows its pins',
    parts: {
      received: (sidecar, handlers) => {
        if (sidecar !== 1) return handlers;
        return withoutPins(handlers);
      },
    },
  },
};

export function sharingParts(mutant: string | undefined): SharingParts {
  return { ...SOUND_SHARING, ...(mutant === undefined ? {} : SHARING_MUTANTS[mutant]?.parts) };
}

type SharedPin = NonNullable<ReturnType<SessionTable['peek']>>['pin'];

/** A table that takes pins over which its own should have won. */
function preferring(takes: (here: SharedPin, come: SharedPin) => boolean): SharingParts['tableFor'] {
  return (table, nowMs) => ({
    slots: table.slots,
    peek: (key, now) => table.peek(key, now),
    visit: (...range) => table.visit(...range),
    merge: (session, ttlMs, now) => {
      const here = table.peek(session.hash, now);
      if (here === undefined || !takes(here.pin, session.pin)) return table.merge(session, ttlMs, now);
      table.set(session.hash, session.pin, nowMs());
      return false;
    },
  });
}

function withoutPins(handlers: SharingHandlers): SharingHandlers {
  return {
    hello: () => handlers.hello(),
    onOpen: () => handlers.onOpen(),
    onLost: () => handlers.onLost(),
    onResponse: (response) => handlers.onResponse({ ...response, pins: [] }),
  };
}
