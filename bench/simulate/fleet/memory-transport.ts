import type { HubMember } from '../../../control-plane/sessions/hub-member.js';
import type { SessionHub } from '../../../control-plane/sessions/session-hub.js';
import type { SharingHandlers, SharingTransport } from '../../../sidecar/session/sharing/sharing-stream.js';
import { readView } from '../../../src/sessions/endpoint-view.js';
import { codec } from '../../../src/xds/descriptors.js';
import { messages, text } from '../../../src/xds/fields.js';

const REQUEST = codec('roost.v1.ShareRequest');
const RESPONSE = codec('roost.v1.ShareResponse');

/** Brings something to the other end, now or later, in the order in which it was given. */
export type Carry = (deliver: () => void) => void;

export interface MemoryTransportOptions {
  /** The control plane's, at the moment. */
  hub(): SessionHub;
  readonly handlers: SharingHandlers;
  /** Default: everything arrives at once. */
  readonly carry?: Carry;
  /** The network is broken from the start. */
  readonly isCut?: boolean;
}

/** A stream between a sidecar and a hub, in memory, by way of the bytes that gRPC would carry. Can be cut. */
export class MemoryTransport implements SharingTransport {
  isOpen = false;
  private member: HubMember | undefined;
  private isCut: boolean;
  /** Counts streams: what is on its way when one ends does not arrive. */
  private stream = 0;
  private readonly handlers: SharingHandlers;

  constructor(private readonly options: MemoryTransportOptions) {
    this.handlers = options.handlers;
    this.isCut = options.isCut === true;
  }

  start(): void {
    if (this.isCut) {
      this.handlers.onLost();
      return;
    }
    const hello = REQUEST.encode(this.handlers.hello());
    this.carry(() => this.join(hello));
  }

  write(request: object): void {
    if (!this.isOpen) return;
    const bytes = REQUEST.encode(request);
    this.carry(() => this.take(REQUEST.decode(bytes)));
  }

  close(): void {
    if (this.member !== undefined) this.options.hub().leave(this.member);
    this.member = undefined;
    this.isOpen = false;
    this.stream++;
  }

  /** As a network that breaks. */
  cut(): void {
    this.isCut = true;
    this.close();
    this.handlers.onLost();
  }

  restore(): void {
    this.isCut = false;
    this.start();
  }

  private carry(deliver: () => void): void {
    const { stream } = this;
    const { carry = (now: () => void) => now() } = this.options;
    carry(() => {
      if (stream === this.stream) deliver();
    });
  }

  private join(hello: Buffer): void {
    const { caller, follow } = REQUEST.decode(hello) as {
      caller: { id: string; service: string; namespace: string };
      follow: never[];
    };
    const early: Buffer[] = [];
    this.member = this.options.hub().join(caller, {
      write: (bytes) => {
        if (this.member === undefined) early.push(bytes);
        else this.carry(() => this.onResponse(bytes));
        return true;
      },
      pause: () => {},
      resume: () => {},
      end: () => {},
    });
    for (const bytes of early) this.carry(() => this.onResponse(bytes));
    this.take({ follow });
  }

  private onResponse(bytes: Buffer): void {
    if (!this.isOpen) this.handlers.onOpen();
    this.isOpen = true;
    this.handlers.onResponse(RESPONSE.decode(bytes));
  }

  private take(request: { readonly [field: string]: unknown }): void {
    for (const raw of messages(request.follow))
      this.member?.follow({
        service: text(raw.service),
        ttlMs: Number(raw.ttlMs),
        epoch: Number(raw.epoch ?? 0),
        sequence: Number(raw.sequence ?? 0),
      });
    const pins = messages(request.pins).map((raw) => ({
      service: text(raw.service),
      records: Buffer.from(raw.records as Uint8Array),
    }));
    if (pins.length > 0) this.member?.publish(pins, Number(request.number));
    const views = messages(request.views).map((raw) => ({
      service: text(raw.service),
      endpoint: Number(raw.endpoint),
      view: readView(raw.view),
    }));
    this.member?.takeViews(views);
  }
}
