import { withAbort, withPromotion, withSplit } from '../../../src/model/operations.js';
import type { Random } from '../random.js';
import { conditional, type ServiceWorld, type SplitInput, type VersionInput } from './service-world.js';

/** Something that is done to a service. @returns whether there was anything to do it to */
export type Operation = (world: ServiceWorld, random: Random) => boolean;

/** Most releases that a service has at a time, and most that its split lists. */
const MAX_VERSIONS = 5;
const MAX_SPLIT = 4;
const MAX_PODS = { usual: 9, heavy: 20 };

function setSplit(world: ServiceWorld, split: SplitInput): boolean {
  if (split.every(({ weight }) => weight === 0)) return false;
  world.commit(withSplit(world.document, split, 'default'));
  return true;
}

/** Takes weight from one release and gives it to another. */
const shiftWeight: Operation = (world, random) => {
  const [from, to] = random.sample(world.split, 2);
  if (from === undefined || to === undefined || from.weight === 0) return false;
  const amount = Math.max(1, Math.floor(from.weight * random.next()));
  return setSplit(
    world,
    world.split.map((entry) => {
      if (entry === from) return { ...entry, weight: entry.weight - amount };
      return entry === to ? { ...entry, weight: entry.weight + amount } : entry;
    }),
  );
};

const newWeights: Operation = (world, random) =>
  setSplit(
    world,
    world.split.map(({ version }) => ({ version, weight: random.between(0, 100) })),
  );

/** The same split in other numbers: nobody may move. */
const rewrite: Operation = (world, random) => {
  const factor = random.between(2, 9);
  if (world.split.some(({ weight }) => weight * factor > 1_000_000)) return false;
  return setSplit(
    world,
    world.split.map(({ version, weight }) => ({ version, weight: weight * factor })),
  );
};

const drain: Operation = (world, random) => {
  const chosen = random.pick(world.split.filter(({ weight }) => weight > 0));
  if (chosen === undefined) return false;
  return setSplit(
    world,
    world.split.map((entry) => (entry === chosen ? { ...entry, weight: 0 } : entry)),
  );
};

const evict: Operation = (world, random) => {
  if (world.split.length < 2) return false;
  const chosen = random.pick(world.split);
  return setSplit(
    world,
    world.split.filter((entry) => entry !== chosen),
  );
};

const bringIn: Operation = (world, random) => {
  if (world.split.length >= MAX_SPLIT) return false;
  const listed = new Set(world.split.map(({ version }) => version));
  const chosen = random.pick(world.versions.filter(({ name }) => !listed.has(name)));
  if (chosen === undefined) return false;
  const entry = { version: chosen.name, weight: weightFor(world, random) };
  return setSplit(world, random.chance(0.7) ? [...world.split, entry] : [entry, ...world.split]);
};

/** 0 to 40 % of what the split sums to. */
function weightFor(world: ServiceWorld, random: Random): number {
  const sum = world.split.reduce((total, { weight }) => total + weight, 0);
  return Math.min(1_000_000, Math.round(sum * random.next() * 0.4));
}

const promote: Operation = (world, random) => {
  const chosen = random.pick(world.split.filter(({ version }) => version !== world.stable));
  if (chosen === undefined) return false;
  world.commit(withPromotion(world.document, chosen.version));
  return true;
};

const abort: Operation = (world) => {
  if (world.split.length < 2) return false;
  world.commit(withAbort(world.document, { drain: false, labels: false }));
  return true;
};

const abortAndDrain: Operation = (world) => {
  if (world.split.length < 2) return false;
  world.commit(withAbort(world.document, { drain: true, labels: false }));
  return true;
};

const addRelease: Operation = (world, random) => {
  if (world.versions.length >= MAX_VERSIONS || world.split.length >= MAX_SPLIT) return false;
  const version = world.newVersion(random.between(1, 5));
  world.edit({ versions: [...world.versions, version] });
  return setSplit(world, [...world.split, { version: version.name, weight: weightFor(world, random) }]);
};

/** Releases that no route mentions and nothing falls back on. */
function spare(world: ServiceWorld): readonly VersionInput[] {
  const used = new Set(world.routes.flatMap(({ split }) => (split ?? []).map(({ version }) => version)));
  return world.versions.filter(({ name }) => name !== world.stable && !used.has(name));
}

const addressesOf = (version: VersionInput) => (version.endpoints ?? []).map(({ address }) => address);

const removeRelease: Operation = (world, random) => {
  const chosen = random.pick(spare(world));
  if (chosen === undefined) return false;
  world.edit({ versions: world.versions.filter((version) => version !== chosen) });
  world.stopPods(addressesOf(chosen));
  return true;
};

/** A release is taken out for good, and another comes under its name with its weight. */
const remakeRelease: Operation = (world, random) => {
  const inConditions = new Set(
    world.routes.slice(0, -1).flatMap(({ split }) => (split ?? []).map(({ version }) => version)),
  );
  const entry = random.pick(
    world.split.filter(({ version }) => version !== world.stable && !inConditions.has(version)),
  );
  const old = world.versions.find(({ name }) => name === entry?.version);
  const { split } = world;
  if (entry === undefined || old === undefined || !setSplit(world, without(split, entry))) return false;
  world.edit({ versions: world.versions.filter((version) => version !== old) });
  world.stopPods(addressesOf(old));
  const made = world.versionNamed(old.name, random.between(1, 5));
  world.edit({ versions: [...world.versions, made] });
  return setSplit(world, split);
};

function without(split: SplitInput, entry: SplitInput[number]): SplitInput {
  return split.filter((other) => other !== entry);
}

function replaceVersion(world: ServiceWorld, old: VersionInput, changed: VersionInput): true {
  world.edit({ versions: world.versions.map((version) => (version === old ? changed : version)) });
  return true;
}

const scaleUp: Operation = (world, random) => {
  const chosen = random.pick(world.versions) as VersionInput;
  const endpoints = chosen.endpoints ?? [];
  const room = (world.traits.heavy ? MAX_PODS.heavy : MAX_PODS.usual) - endpoints.length;
  if (room < 1) return false;
  const joining = world.startPods(random.between(1, Math.min(room, world.traits.heavy ? 6 : 3)));
  return replaceVersion(world, chosen, { ...chosen, endpoints: [...endpoints, ...joining] });
};

/** Pods are told to drain; {@link finishDraining} takes them away. */
const startDraining: Operation = (world, random) => {
  const chosen = random.pick(world.versions) as VersionInput;
  const staying = addressesOf(chosen).filter((address) => !world.draining.has(address));
  if (staying.length < 2) return false;
  for (const address of random.sample(staying, random.between(1, staying.length - 1))) {
    world.draining.add(address);
  }
  world.touch();
  return true;
};

const finishDraining: Operation = (world) => {
  const leaving = [...world.draining];
  if (leaving.length === 0) return false;
  const versions = world.versions.map((version) => ({
    ...version,
    endpoints: (version.endpoints ?? []).filter(({ address }) => !world.draining.has(address)),
  }));
  world.edit({ versions });
  world.stopPods(leaving);
  return true;
};

/** A rolling restart: the same release on new addresses. */
const replacePods: Operation = (world, random) => {
  const chosen = random.pick(world.versions) as VersionInput;
  const endpoints = chosen.endpoints ?? [];
  const leaving = random.sample(endpoints, random.between(1, endpoints.length));
  const joining = world.startPods(leaving.length);
  const staying = endpoints.filter((endpoint) => !leaving.includes(endpoint));
  replaceVersion(world, chosen, { ...chosen, endpoints: [...staying, ...joining] });
  world.stopPods(leaving.map(({ address }) => address));
  return true;
};

/** The canary's pods become the stable release's, and a new canary comes, all under the old names. */
const changeRoles: Operation = (world, random) => {
  const [stable, canary] = ['stable', 'canary'].map((role) =>
    world.versions.find(({ name }) => name === role),
  );
  if (!world.traits.roles || stable === undefined || canary === undefined) return false;
  const leaving = addressesOf(stable);
  const versions = world.versions.map((version) => {
    if (version === stable) return { ...version, endpoints: canary.endpoints };
    return version === canary ? { ...version, endpoints: world.startPods(random.between(1, 4)) } : version;
  });
  world.edit({ versions });
  world.stopPods(leaving);
  return true;
};

const changeLabel: Operation = (world, random) => {
  if (!world.traits.labels) return false;
  const others = world.routes.filter(({ name }) => name !== 'qa');
  if (others.length < world.routes.length && random.chance(0.3)) {
    world.edit({ routes: others });
    return true;
  }
  const { name } = random.pick(world.versions) as VersionInput;
  const route = conditional('qa', [{ version: name, weight: 1 }], random.chance(0.7));
  world.edit({ routes: [route, ...others] });
  return true;
};

const changeBeta: Operation = (world, random) => {
  const others = world.routes.filter(({ name }) => name !== 'beta');
  if (others.length === world.routes.length) return false;
  const two = random
    .sample(world.versions, 2)
    .map(({ name }) => ({ version: name, weight: random.between(1, 9) }));
  const route = conditional('beta', two);
  world.edit({ routes: [...others.slice(0, -1), route, ...others.slice(-1)] });
  return true;
};

/** What operators and machines do, by name, with how often they do it. */
export const OPERATIONS: Readonly<Record<string, { readonly weight: number; readonly apply: Operation }>> = {
  'weight shifted': { weight: 16, apply: shiftWeight },
  'new weights': { weight: 5, apply: newWeights },
  'same split in other numbers': { weight: 5, apply: rewrite },
  'release drained': { weight: 4, apply: drain },
  'release evicted': { weight: 4, apply: evict },
  'release brought in': { weight: 7, apply: bringIn },
  'release added': { weight: 7, apply: addRelease },
  'release removed': { weight: 4, apply: removeRelease },
  'release replaced under its name': { weight: 4, apply: remakeRelease },
  promotion: { weight: 5, apply: promote },
  abort: { weight: 2, apply: abort },
  'abort with drain': { weight: 3, apply: abortAndDrain },
  'scaled up': { weight: 12, apply: scaleUp },
  'pods draining': { weight: 8, apply: startDraining },
  'drained pods gone': { weight: 14, apply: finishDraining },
  'pods replaced': { weight: 5, apply: replacePods },
  'pods changed roles': { weight: 8, apply: changeRoles },
  'label route changed': { weight: 4, apply: changeLabel },
  'conditional split changed': { weight: 3, apply: changeBeta },
};
