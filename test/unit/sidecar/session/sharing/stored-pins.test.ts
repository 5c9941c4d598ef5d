import t from 'tap';
import type { PinSharing } from '../../../../../sidecar/session/sharing/pin-sharing.js';
import { StoredPins } from '../../../../../sidecar/session/sharing/stored-pins.js';
import type { SessionStore } from '../../../../../sidecar/session/store/session-store.js';

t.test('a sidecar that goes on from disk is settled at once, though no store answers', async (t) => {
  const sharing = {
    isSettled: false,
    settle() {
      this.isSettled = true;
    },
  };
  const pins = new StoredPins({
    store: { settled: new Promise(() => {}) } as unknown as SessionStore,
    sharing: sharing as unknown as PinSharing,
    timeoutMs: 20,
    table: { slots: 0, peek: () => undefined, merge: () => false, visit() {} },
    affinityOf: () => undefined,
    services: () => [],
    nowMs: () => 0,
  });
  t.equal(pins.isSettled, false, 'one that starts without anything waits');
  pins.settle();
  t.equal(pins.isSettled, true);
});
