import t from 'tap';
import { BACKENDS } from '../../../src/redirect/redirect-rules.js';
import { NetworkNamespaces, whyNoNamespaces } from '../../support/network-namespaces.js';
import { eventually } from '../../support/processes.js';
import { applyRedirect } from '../../support/redirect-settings.js';

// Processes in network namespaces, one after the other: no limit for a machine that is busy.
t.setTimeout(120_000);

const skip = whyNoNamespaces();
const SIDECAR = { uid: 1337, gid: 1337 };

for (const backend of BACKENDS)
  t.test(
    `without a sidecar, ${backend} refuses connections, or lets them pass if told to`,
    { skip },
    async (t) => {
      const namespaces = NetworkNamespaces.create(t);
      const [pod, peer] = [namespaces.addPod(), namespaces.addPod()];
      const [app, other] = [await pod.startAgent(), await peer.startAgent()];
      await app.listen('app', '::', 8080);
      await other.listen('peer', '::', 80);
      applyRedirect(t, pod, '--backend', backend);
      for (const address of [peer.ipv4, peer.ipv6]) t.equal(await app.connect(address, 80), 'ECONNREFUSED');
      for (const address of [pod.ipv4, pod.ipv6]) t.equal(await other.connect(address, 8080), 'ECONNREFUSED');

      applyRedirect(t, pod, '--backend', backend, '--when-down', 'bypass');
      const passes = async () => {
        for (const address of [peer.ipv4, peer.ipv6]) t.match(await app.connect(address, 80), /^peer /);
        for (const address of [pod.ipv4, pod.ipv6]) t.match(await other.connect(address, 8080), /^app /);
      };
      await passes();
      for (const host of ['127.0.0.1', '::1']) await app.datagram(host, 15001, false);
      await passes();
      const sidecar = await pod.startAgent(SIDECAR);
      await sidecar.listen('outbound', '::', 15001);
      const beat = setInterval(() => {
        for (const host of ['127.0.0.1', '::1']) void sidecar.datagram(host, 15001, false);
      }, 500);
      await eventually('redirected', async () => (await app.connect(peer.ipv4, 80)).startsWith('outbound '));
      await eventually('IPv6 too', async () => (await app.connect(peer.ipv6, 80)).startsWith('outbound '));
      clearInterval(beat);
      await eventually('passed again', async () => (await app.connect(peer.ipv4, 80)).startsWith('peer '));
    },
  );
