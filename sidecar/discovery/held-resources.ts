import type { NameChanges } from '../../src/xds/referenced-names.js';
import { Deadlines } from './deadlines.js';
import type { Heartbeat, ReceivedResource } from './response-entries.js';

/** The wildcard name: everything of a type. */
export const WILDCARD = '*';

/** How long a name that the server says nothing about is waited for, before it counts as not there (xDS: 15 s). */
export const MISSING_AFTER_MS = 15_000;

/**
 * What is wanted of one type, what of it is here, and what time alone takes away: names that the server is silent
 * about, and resources with a time to live that is over. Pure bookkeeping.
 */
export class HeldResources {
  private readonly names = new Set<string>();
  /** Versions by name. */
  private readonly held = new Map<string, string>();
  /** When a name that was asked for on the present stream counts as not there. */
  private readonly missing = new Deadlines();
  /** When what has a time to live is gone, unless it is heard of before. */
  private readonly expiry = new Deadlines();

  get wanted(): ReadonlySet<string> {
    return this.names;
  }

  /** Of every resource that is here. */
  get versions(): ReadonlyMap<string, string> {
    return this.held;
  }

  isWanted(name: string): boolean {
    return this.names.has(name) || this.names.has(WILDCARD);
  }

  /** Changes what is wanted; what is not, is not here any more. @returns what that really changes */
  want(changes: NameChanges): NameChanges {
    const added = changes.added.filter((name) => !this.names.has(name));
    const dropped = changes.dropped.filter((name) => this.names.has(name));
    for (const name of added) this.names.add(name);
    for (const name of dropped) this.names.delete(name);
    for (const name of dropped) if (!this.isWanted(name)) this.forget(name);
    if (dropped.includes(WILDCARD))
      for (const name of this.held.keys()) if (!this.names.has(name)) this.forget(name);
    return { added, dropped };
  }

  accept(resources: readonly ReceivedResource[], nowMs: number): void {
    for (const { name, version, ttlMs } of resources) {
      this.held.set(name, version);
      this.missing.delete(name);
      this.keepFor(name, ttlMs, nowMs);
    }
  }

  /** What is not here cannot be there still. */
  hear(heartbeats: readonly Heartbeat[], nowMs: number): void {
    for (const { name, ttlMs } of heartbeats) if (this.held.has(name)) this.keepFor(name, ttlMs, nowMs);
  }

  remove(names: readonly string[]): void {
    for (const name of names) this.forget(name);
  }

  /** Those of the names that are not here are waited for from now on. */
  awaitMissing(names: Iterable<string>, nowMs: number): void {
    for (const name of names) {
      if (name === WILDCARD || this.held.has(name) || this.missing.has(name)) continue;
      this.missing.set(name, nowMs + MISSING_AFTER_MS);
    }
  }

  /** Something has been said of these names, although nothing is here. @returns those that were waited for */
  stopAwaiting(names: Iterable<string>): string[] {
    const awaited = [...names].filter((name) => this.missing.has(name));
    for (const name of awaited) this.missing.delete(name);
    return awaited;
  }

  /** The stream on which names were asked for is over: silence says nothing any more. */
  stopWaiting(): void {
    this.missing.clear();
  }

  /** Takes out what is gone by now. @returns its names */
  takeDue(nowMs: number): string[] {
    const due = [...this.missing.takeDue(nowMs), ...this.expiry.takeDue(nowMs)];
    for (const name of due) this.held.delete(name);
    return due;
  }

  private keepFor(name: string, ttlMs: number | undefined, nowMs: number): void {
    if (ttlMs === undefined) this.expiry.delete(name);
    else this.expiry.set(name, nowMs + ttlMs);
  }

  private forget(name: string): void {
    this.held.delete(name);
    this.missing.delete(name);
    this.expiry.delete(name);
  }
}
