/** Pods of one caller, more or less. */
const PODS = 4;
/** Every so many services have two callers. */
const SHARED_EVERY = 3;

/** Which sidecars are pods of one caller, and who calls which service. */
export class Callers {
  readonly count: number;

  constructor(private readonly sidecars: number) {
    this.count = Math.max(1, Math.floor(sidecars / PODS));
  }

  of(sidecar: number): number {
    return Math.min(this.count - 1, Math.floor(sidecar / PODS));
  }

  podsOf(caller: number): number[] {
    return Array.from({ length: this.sidecars }, (_, sidecar) => sidecar).filter(
      (sidecar) => this.of(sidecar) === caller,
    );
  }

  /** Callers of a service. */
  ofService(service: number): number[] {
    const first = service % this.count;
    const second = (service + 1) % this.count;
    return service % SHARED_EVERY === 0 && first !== second ? [first, second] : [first];
  }

  /** Sidecars that requests of a service's sessions come through. */
  podsFor(service: number): number[] {
    return this.ofService(service).flatMap((caller) => this.podsOf(caller));
  }
}
