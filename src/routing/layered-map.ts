/** Beside a base that is larger, a layer of this many changes is kept before the two are made one. */
const MIN_LAYER = 64;
/** And otherwise so much of the base. */
const LAYER_SHARE = 1 / 8;

/**
 * A map that is never changed, of which another one with a few changes is made at little cost: the two share all but
 * a layer of what differs. Once that layer has grown, it is made one with the base.
 */
export class LayeredMap<Value> {
  private constructor(
    private readonly base: ReadonlyMap<string, Value>,
    /** Undefined: not there, whatever the base has. */
    private readonly layer: ReadonlyMap<string, Value | undefined>,
  ) {}

  static empty<Value>(): LayeredMap<Value> {
    return new LayeredMap(new Map(), new Map());
  }

  get(key: string): Value | undefined {
    if (this.layer.size === 0) return this.base.get(key);
    const changed = this.layer.get(key);
    return changed !== undefined || this.layer.has(key) ? changed : this.base.get(key);
  }

  /** @param changes undefined: taken out */
  with(changes: ReadonlyMap<string, Value | undefined>): LayeredMap<Value> {
    const layer = new Map(this.layer);
    for (const [key, value] of changes) layer.set(key, value);
    if (layer.size <= Math.max(MIN_LAYER, this.base.size * LAYER_SHARE))
      return new LayeredMap(this.base, layer);
    const base = new Map(this.base);
    for (const [key, value] of layer) {
      if (value === undefined) base.delete(key);
      else base.set(key, value);
    }
    return new LayeredMap(base, new Map());
  }
}
