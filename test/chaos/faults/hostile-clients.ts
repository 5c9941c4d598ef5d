import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { codec } from '../../../src/xds/descriptors.js';
import { TYPE_URL } from '../../../src/xds/resource-types.js';
import { DeafClient } from '../../support/deaf-client.js';
import { toAddress } from '../../support/mesh.js';
import { XdsClient } from '../../support/xds-client.js';
import type { Fault } from '../fault.js';
import type { ControlPlaneProgram } from '../programs.js';

/** What clients of the discovery port do that no good client does. */

const PATH = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
/** Above `--max-message-bytes`. */
const OVERSIZED_BYTES = 34 * 1024 * 1024;
const STREAMS = 1000;
/** Memory that all of this may cost a control plane, for as long as it lasts. */
const MEMORY_BOUND_BYTES = 300 * 1024 * 1024;

export const garbage: Fault = {
  name: 'garbage',
  async run(world) {
    const { grpc } = world.pick(world.controlPlanes);
    for (let i = 0; i < 30; i++) {
      const noise = Buffer.from(
        Array.from({ length: world.random.between(1, 5000) }, () => world.random.below(256)),
      );
      const bytes = i % 2 === 0 ? noise : Buffer.concat([Buffer.from(PREFACE), noise]);
      const socket = connect(toAddress(grpc));
      // However it ends, it does.
      socket.on('error', () => {});
      socket.resume();
      socket.end(bytes);
      await once(socket, 'close');
    }
  },
};

export const oversized: Fault = {
  name: 'oversized-messages',
  async run(world) {
    const { grpc } = world.pick(world.controlPlanes);
    const client = new DeafClient(grpc);
    client.stream.resume();
    const head = Buffer.alloc(5);
    head.writeUInt32BE(OVERSIZED_BYTES, 1);
    client.stream.write(head);
    const ended = once(client.stream, 'close');
    // As much of it as is taken.
    for (let sent = 0; sent < OVERSIZED_BYTES && !client.stream.closed; sent += 65_536)
      if (!client.stream.write(Buffer.alloc(65_536)))
        await Promise.race([once(client.stream, 'drain'), ended]);
    await Promise.race([ended, world.dwell(1000, 1000)]);
    client.session.destroy();
  },
};

export const neverReads: Fault = {
  name: 'clients-that-never-read',
  async run(world) {
    const victim = world.pick(world.controlPlanes);
    await bounded(victim, async () => {
      const clients = Array.from({ length: 20 }, (_, i) => {
        const client = new DeafClient(victim.grpc);
        client.request({
          node: { id: `deaf-${i}` },
          typeUrl: TYPE_URL.cluster,
          resourceNamesSubscribe: ['*'],
        });
        client.request({ typeUrl: TYPE_URL.route, resourceNamesSubscribe: ['*'] });
        return client;
      });
      await world.dwell(1500, 3000);
      for (const { session } of clients) session.destroy();
    });
  },
};

export const neverAcknowledges: Fault = {
  name: 'clients-that-never-acknowledge',
  async run(world) {
    const victim = world.pick(world.controlPlanes);
    const clients = Array.from({ length: 20 }, (_, i) =>
      XdsClient.delta(world.owner, victim.grpc, { id: `silent-${i}` }),
    );
    for (const client of clients) client.subscribe('route', '*');
    await world.dwell(1500, 2500);
    for (const client of clients) client.close();
  },
};

export const rejectsEverything: Fault = {
  name: 'clients-that-reject-everything',
  async run(world) {
    const victim = world.pick(world.controlPlanes);
    const clients = Array.from({ length: 10 }, (_, i) =>
      XdsClient.delta(world.owner, victim.grpc, { id: `no-${i}` }),
    );
    for (const client of clients) {
      client.subscribe('cluster', '*');
      client.subscribe('route', '*');
    }
    for (let round = 0; round < 20; round++) {
      await world.dwell(50, 100);
      for (const client of clients)
        for (const response of client.responses.splice(0)) client.nack(response, 'no, and no again');
    }
    for (const client of clients) client.close();
  },
};

export const thousandStreams: Fault = {
  name: 'a-client-with-1000-streams',
  async run(world) {
    const victim = world.pick(world.controlPlanes);
    await bounded(victim, async () => {
      const session = connectHttp2(`http://${victim.grpc}`);
      session.on('error', () => {});
      await once(session, 'remoteSettings');
      for (let i = 0; i < STREAMS; i++) openStream(session, `many-${i}`);
      await world.dwell(2000, 3000);
      session.destroy();
    });
  },
};

function openStream(session: ClientHttp2Session, id: string): void {
  const stream = session.request({
    ':method': 'POST',
    ':path': PATH,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => {});
  stream.resume();
  const fields = { node: { id }, typeUrl: TYPE_URL.route, resourceNamesSubscribe: ['*'] };
  const body = codec('envoy.service.discovery.v3.DeltaDiscoveryRequest').encode(fields);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  stream.write(Buffer.concat([head, body]));
}

/** @throws Error where it costs the control plane more memory than it may */
async function bounded(victim: ControlPlaneProgram, work: () => Promise<void>): Promise<void> {
  const before = (await victim.metric('process_resident_memory_bytes')) ?? 0;
  await work();
  const after = (await victim.metric('process_resident_memory_bytes')) ?? before;
  if (after - before > MEMORY_BOUND_BYTES)
    throw new Error(`memory of ${victim.name} grew from ${before} to ${after} bytes`);
}

export const HOSTILE_CLIENTS: readonly Fault[] = [
  garbage,
  oversized,
  neverReads,
  neverAcknowledges,
  rejectsEverything,
  thousandStreams,
];
