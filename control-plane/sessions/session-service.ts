import type { ServerDuplexStream, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import { readView } from '../../src/sessions/endpoint-view.js';
import { type Message, serviceDefinition } from '../../src/xds/descriptors.js';
import { message, messages, text } from '../../src/xds/fields.js';
import { callerOf } from '../access/caller.js';
import { peerGroup } from '../access/peer-address.js';
import type { OpenCalls } from '../ports/open-calls.js';
import type { HubMember, SharingCaller } from './hub-member.js';
import type { SessionHub } from './session-hub.js';
import { isReplicaCredential } from './session-sharing.js';

export const SESSION_SERVICE = 'roost.v1.SessionService';

type ShareCall = ServerDuplexStream<Message, Buffer>;

/** The gRPC service. Responses are bytes already: what goes to many sidecars is encoded once. */
export function sessionServiceDefinition(): ServiceDefinition {
  const { Share: share, ...others } = serviceDefinition(SESSION_SERVICE);
  if (share === undefined) throw new Error('the descriptor bundle lacks SessionService; build again');
  return { ...others, Share: { ...share, responseSerialize: (bytes: Buffer) => bytes } };
}

/** Its methods. */
export function sessionService(hub: SessionHub, open: OpenCalls): UntypedServiceImplementation {
  return {
    Share(call: ShareCall) {
      let member: HubMember | undefined;
      call.on('data', (request: Message) => {
        member ??= join(hub, call, request);
        if (member !== undefined) take(member, request);
      });
      call.on('drain', () => member?.onDrain());
      open.add(call, () => member && hub.leave(member));
    },
  };
}

function join(hub: SessionHub, call: ShareCall, request: Message): HubMember | undefined {
  const caller = readCaller(request, call);
  if (caller === undefined) {
    call.emit('error', { code: status.INVALID_ARGUMENT, details: 'the first request must name the caller' });
    return undefined;
  }
  if (caller.isReplica && !mayBeReplica(call)) {
    // They are told which services call which, of all namespaces.
    const details = 'only another control plane over the same store may ask as one';
    call.emit('error', { code: status.PERMISSION_DENIED, details });
    return undefined;
  }
  return hub.join(caller, {
    write: (bytes) => call.write(bytes),
    pause: () => void call.pause(),
    resume: () => {
      if (call.isPaused()) call.resume();
    },
    end: () => call.end(),
  });
}

function mayBeReplica(call: ShareCall): boolean {
  const credential = callerOf(call);
  return credential === undefined || isReplicaCredential(credential);
}

/** What a sidecar calls itself is its own choice: where it has a credential, that and its address tell it from others. */
function originOf(call: ShareCall): string | undefined {
  const credential = callerOf(call);
  return credential && `${credential.name} ${peerGroup(call.getPeer().replace(/:\d+$/, ''))}`;
}

function readCaller(request: Message, call: ShareCall): SharingCaller | undefined {
  const raw = message(request.caller);
  if (raw === undefined || text(raw.id) === '') return undefined;
  return {
    id: text(raw.id),
    service: text(raw.service),
    namespace: text(raw.namespace),
    isReplica: raw.replica === true,
    origin: originOf(call),
  };
}

function take(member: HubMember, request: Message): void {
  for (const raw of messages(request.follow))
    member.follow({
      service: text(raw.service),
      ttlMs: Number(raw.ttlMs ?? 0),
      epoch: Number(raw.epoch ?? 0),
      sequence: Number(raw.sequence ?? 0),
    });
  const batches = messages(request.pins).map((raw) => ({
    service: text(raw.service),
    records: Buffer.from((raw.records as Uint8Array | undefined) ?? []),
  }));
  if (batches.length > 0) member.publish(batches, Number(request.number ?? 0));
  const views = messages(request.views).map((raw) => ({
    service: text(raw.service),
    endpoint: Number(raw.endpoint ?? 0),
    view: readView(raw.view),
  }));
  if (views.length > 0) member.takeViews(views);
}
