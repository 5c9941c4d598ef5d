import t from 'tap';
import { LiveEndpoints } from '../../../../control-plane/endpoints/live-endpoints.js';
import { type ConfigSource, ConfigSources } from '../../../../control-plane/source/config-source.js';
import { InvalidSourcesError, openSources } from '../../../../control-plane/source/open-sources.js';
import { MemoryBackend } from '../../../../control-plane/store/backend.js';
import { emptyState } from '../../../../control-plane/store/config-state.js';
import { ConfigStore } from '../../../../control-plane/store/config-store.js';
import type { MeshServiceInput } from '../../../../src/model/mesh-service.js';
import { createLogger } from '../../../../src/telemetry/logger.js';
import { meshService } from '../../../support/shop.js';

const endpoints = new LiveEndpoints();
const log = createLogger('test', 'silent');
const openStore = () => ConfigStore.open(new MemoryBackend(emptyState(Buffer.alloc(32))), log);

function source(name: string, calls: string[]): ConfigSource {
  const call = (what: string) => void calls.push(`${what} ${name}`);
  return {
    problems: [`${name} is broken`],
    waiting: [`${name} waits`],
    start: async () => call('start'),
    watch: () => call('watch'),
    close: async () => call('close'),
  };
}

t.test('several sources are one: started in order, with the problems of all', async (t) => {
  const calls: string[] = [];
  const sources = new ConfigSources([source('files', calls), source('kubernetes', calls)]);
  await sources.start();
  sources.watch();
  await sources.close();
  t.same(calls, [
    'start files',
    'start kubernetes',
    'watch files',
    'watch kubernetes',
    'close files',
    'close kubernetes',
  ]);
  t.same(sources.problems, ['files is broken', 'kubernetes is broken']);
  t.same(sources.waiting, ['files waits', 'kubernetes waits']);
});

t.test('a source that is not valid stops a start only where nothing is stored', async (t) => {
  const store = await openStore();
  const options = { config: ['/nowhere/shop.yaml'] };
  const target = { store, endpoints, log, as: undefined };
  await t.rejects(openSources(options, target), InvalidSourcesError);
  await store.edit(() => ({ documents: [meshService('cart.shop', { v1: 1 }) as MeshServiceInput] }));
  const sources = await openSources(options, target);
  t.match(sources.problems[0], /nowhere/);
  await sources.close();
});

t.test('without options there is no source, and nothing is wrong', async (t) => {
  const sources = await openSources(
    { config: [] },
    { store: await openStore(), endpoints, log, as: undefined },
  );
  t.same(sources.problems, []);
  sources.watch();
  await sources.close();
});
