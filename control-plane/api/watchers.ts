import type { ServerWritableStream } from '@grpc/grpc-js';
import type { WatchEvent } from '../../src/api/config-service.js';
import { namespaceOfKey, type ServiceKey } from '../../src/model/mesh-service.js';
import { type Visibility, visibilityOf } from '../access/caller.js';
import type { ConfigStore } from '../store/config-store.js';
import { listServices, serviceMessage } from './messages.js';

export type WatchCall = ServerWritableStream<{ readonly namespace: string }, WatchEvent>;

/** Everyone who follows the configuration. */
export class Watchers {
  private readonly watchers = new Set<Watcher>();

  constructor(private readonly store: ConfigStore) {
    store.on('change', (_configuration, keys) => {
      for (const watcher of this.watchers) watcher.changed(keys);
    });
  }

  serve(call: WatchCall): void {
    const watcher = new Watcher(call, this.store);
    this.watchers.add(watcher);
    for (const event of ['cancelled', 'close', 'error', 'finish'])
      call.on(event, () => this.watchers.delete(watcher));
    watcher.start();
  }

  closeAll(): void {
    for (const watcher of this.watchers) watcher.end();
  }
}

/** One follower. It is told of changes one message at a time; what changes meanwhile comes in the next one. */
class Watcher {
  private readonly pending = new Set<ServiceKey>();
  private readonly visible: Visibility;
  private busy = false;

  constructor(
    private readonly call: WatchCall,
    private readonly store: ConfigStore,
  ) {
    this.visible = visibilityOf(call);
  }

  start(): void {
    const { services, revision } = listServices(this.store.current, this.namespace, this.visible);
    this.write({ revision, changed: services, deleted: [] });
  }

  changed(keys: ReadonlySet<ServiceKey>): void {
    for (const key of keys) {
      const namespace = namespaceOfKey(key);
      if ((this.namespace === '' || this.namespace === namespace) && this.visible(namespace))
        this.pending.add(key);
    }
    this.flush();
  }

  end(): void {
    this.call.end();
  }

  private get namespace(): string {
    return this.call.request.namespace;
  }

  private flush(): void {
    if (this.busy || this.pending.size === 0) return;
    const { services, revision } = this.store.current;
    const keys = [...this.pending];
    this.pending.clear();
    this.write({
      revision,
      changed: keys.flatMap((key) => {
        const found = services.get(key);
        return found ? [serviceMessage(key, found, services)] : [];
      }),
      deleted: keys.filter((key) => !services.has(key)),
    });
  }

  private write(event: WatchEvent): void {
    if (this.call.writableEnded || this.call.destroyed) return;
    this.busy = true;
    this.call.write(event, (error?: Error | null) => {
      this.busy = false;
      if (!error) this.flush();
    });
  }
}
