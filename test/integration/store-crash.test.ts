import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { type Change, emptyState } from '../../control-plane/store/config-state.js';
import { FileBackend } from '../../control-plane/store/file/file-backend.js';
import { INSECURE } from '../../src/access/channel-security.js';
import type { ChangeResponse, ListResponse } from '../../src/api/config-service.js';
import { fromStruct, toStruct } from '../../src/api/struct.js';
import { ControlPlaneClient } from '../../src/cli/client.js';
import type { MeshServiceInput } from '../../src/model/schema.js';
import { createLogger } from '../../src/telemetry/logger.js';
import { temporaryFolder } from '../support/folder.js';
import { toAddress } from '../support/mesh.js';
import { startControlPlane } from '../support/processes.js';
import { meshService } from '../support/shop.js';

/** More of them find more, at about a second each. */
const KILLS = 7;
/** Size at which the control plane compacts its journal. */
const COMPACT_BYTES = 1024 * 1024;

const versioned = (name: string, value: number) => meshService(name, { v1: value, v2: 1 });

/** Brings the journal to where one of the next changes has it compacted. */
async function fill(dataDir: string): Promise<void> {
  const backend = await FileBackend.open(dataDir, createLogger('test', 'silent'), Number.POSITIVE_INFINITY);
  const { revision } = await backend.load();
  const document = { filler: 'x'.repeat(20_000) } as unknown as MeshServiceInput;
  // A record of an older revision is no change that the history would keep.
  const record = { document, revision: 0, born: {} };
  const change: Change = { revision, at: '', put: [['fill/er', record]], deleted: [] };
  const undo: Change = { revision, at: '', put: [], deleted: ['fill/er'] };
  const state = { ...emptyState(Buffer.alloc(0)), revision };
  const left = async () => COMPACT_BYTES - (await stat(join(dataDir, 'config.journal'))).size;
  while ((await left()) > 24_000) await backend.append(change, state);
  await backend.append(undo, state);
  await backend.close();
}

/** What one client knows of a control plane: what was acknowledged, and what it has no answer to yet. */
class Ledger {
  /** Value of each service, `undefined`: deleted. */
  private readonly acknowledged = new Map<string, number | undefined>();
  private inFlight: { readonly names: readonly string[]; readonly value: number | undefined } | undefined;
  revision = 0;
  operations = 0;
  private next = 1;

  /** Changes one thing after the other until the connection breaks. @param onChange called with how many there were */
  async work(client: ControlPlaneClient, onChange: (count: number) => void): Promise<void> {
    for (let count = 0; ; count++) {
      onChange(count);
      await this.change(client);
    }
  }

  /** Changes one thing: in turn a pair of services, a split, a deletion, its opposite. */
  async change(client: ControlPlaneClient): Promise<void> {
    const value = this.next++;
    const step = value % 5;
    const pair = ['a.shop', 'b.shop'];
    if (step === 0) await this.attempt(['c.shop'], value, () => this.split(client, value));
    else if (step === 3) await this.attempt(['d.shop'], undefined, () => this.delete(client));
    else if (step === 4) await this.attempt(['d.shop'], value, () => this.apply(client, ['d.shop'], value));
    else await this.attempt(pair, value, () => this.apply(client, pair, value));
  }

  async prepare(client: ControlPlaneClient): Promise<void> {
    const names = ['a.shop', 'b.shop', 'c.shop', 'd.shop'];
    await this.attempt(names, 1, () => this.apply(client, names, 1));
  }

  /** What is wrong with what the control plane has now. Nothing: the ledger goes on from there. */
  compare({ services, revision }: ListResponse): string[] {
    const problems: string[] = [];
    const found = new Map(services.map((service) => [service.key, weightOf(fromStruct(service.document))]));
    const value = (name: string) => found.get(name.replace(/(.*)\.(.*)/, '$2/$1'));
    for (const [name, expected] of this.acknowledged) {
      const pending = this.inFlight?.names.includes(name) === true;
      if (value(name) !== expected && !(pending && value(name) === this.inFlight?.value))
        problems.push(`${name} is ${value(name)}, acknowledged was ${expected}`);
    }
    if (value('a.shop') !== value('b.shop'))
      problems.push(`a half-applied pair: ${value('a.shop')} and ${value('b.shop')}`);
    if (revision < this.revision) problems.push(`revision ${revision}, acknowledged was ${this.revision}`);
    for (const name of this.acknowledged.keys()) this.acknowledged.set(name, value(name));
    this.revision = revision;
    this.inFlight = undefined;
    return problems;
  }

  private async attempt(
    names: readonly string[],
    value: number | undefined,
    change: () => Promise<ChangeResponse>,
  ): Promise<void> {
    this.inFlight = { names, value };
    const { revision } = await change();
    for (const name of names) this.acknowledged.set(name, value);
    this.revision = revision;
    this.inFlight = undefined;
    this.operations++;
  }

  private apply(
    client: ControlPlaneClient,
    names: readonly string[],
    value: number,
  ): Promise<ChangeResponse> {
    return client.call('Apply', { documents: names.map((name) => toStruct(versioned(name, value))) });
  }

  private split(client: ControlPlaneClient, value: number): Promise<ChangeResponse> {
    const split = [
      { version: 'v1', weight: value },
      { version: 'v2', weight: 1 },
    ];
    return client.call('Split', { name: 'c.shop', split });
  }

  /** Deleting what an unanswered deletion has deleted already is no failure. */
  private async delete(client: ControlPlaneClient): Promise<ChangeResponse> {
    try {
      return await client.call('Delete', { name: 'd.shop' });
    } catch (error) {
      if (!String(error).includes('no service shop/d')) throw error;
      return { revision: this.revision, changed: false, services: [], differences: [], notes: [] };
    }
  }
}

function weightOf(document: Record<string, unknown>): number | undefined {
  return (document as unknown as MeshServiceInput).spec.routes?.[0]?.split?.[0]?.weight;
}

t.test('kill -9 at any moment: what was acknowledged is there, nothing is half applied', async (t) => {
  const dataDir = join(await temporaryFolder(t), 'data');
  const ledger = new Ledger();
  for (let kill = 0; kill < KILLS; kill++) {
    if (kill % 3 === 1) await fill(dataDir);
    const { process, grpc } = await startControlPlane(t, ['--data-dir', dataDir]);
    const client = new ControlPlaneClient(toAddress(grpc), '', INSECURE, { resolveMs: 0 });
    t.same(ledger.compare(await client.call<ListResponse>('List', {})), [], `after kill ${kill}`);
    if (kill === 0) await ledger.prepare(client);
    const changes = Math.floor(Math.random() * 15);
    const delayMs = Math.random() * 8;
    const onChange = (count: number) => {
      if (count === changes) setTimeout(() => process.child.kill('SIGKILL'), delayMs);
    };
    const when = `killed ${delayMs.toFixed(1)} ms after change ${changes}`;
    await t.rejects(ledger.work(client, onChange), /does not answer|not known/, when);
    client.close();
    await process.exited;
    t.equal(process.stderr, '');
  }
  const { process, grpc } = await startControlPlane(t, ['--data-dir', dataDir]);
  const client = new ControlPlaneClient(toAddress(grpc));
  t.same(ledger.compare(await client.call<ListResponse>('List', {})), [], 'after the last kill');
  const size = async () => (await stat(join(dataDir, 'config.journal'))).size;
  for (let count = 0; count < 200 && (await size()) > COMPACT_BYTES / 2; count++) await ledger.change(client);
  t.ok((await size()) < COMPACT_BYTES / 2, 'the journal is compacted as before');
  t.same(ledger.compare(await client.call<ListResponse>('List', {})), [], 'and nothing is lost by that');
  client.close();
  t.equal(await process.kill('SIGTERM'), 0);
  t.comment(`${ledger.operations} changes acknowledged, revision ${ledger.revision}`);
  t.ok(ledger.operations > KILLS);
  t.same(
    (await readdir(dataDir)).sort(),
    ['config.journal', 'config.journal.previous'],
    'no lock, no half-written file, no damage',
  );
});
