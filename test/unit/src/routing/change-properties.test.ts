import fc from 'fast-check';
import t from 'tap';
import { PINNED_ONLY, UNUSABLE, USABLE, type Usability } from '../../../../src/routing/endpoint-set.js';
import { MeshTable } from '../../../support/mesh-table.js';
import { user } from '../../../support/shop.js';

/**
 * What operators do to a running canary, in any order and number: weights, drains, evictions, new releases, releases
 * and routes that change their names, pods that come, drain, die and change roles, and sessions that are labelled now
 * and then. Whatever happens, a session moves only for a reason that the semantics give.
 */

t.setTimeout(300_000);

interface Release {
  /** What the operator calls it now. */
  readonly name: string;
  readonly pods: readonly string[];
}

interface State {
  readonly releases: readonly Release[];
  /** By index of the release. */
  readonly weights: readonly (number | undefined)[];
  readonly routeName: string;
  /** Index of the release that labelled requests go to. */
  readonly label: number;
}

/** Numbers that a step makes its choices with. */
type Choice = readonly [number, number];
type Step = (state: State, choice: Choice, fresh: () => string) => State;

const pick = (n: number, length: number) => n % length;
const replace = <T>(list: readonly T[], at: number, value: T) =>
  list.map((each, i) => (i === at ? value : each));

const STEPS: Readonly<Record<string, Step>> = {
  'other weights': (state, [a, b]) => ({
    ...state,
    weights: state.weights.map((weight, i) => weight && 1 + ((a + i * b) % 100)),
  }),
  drain: (state, [a]) => withWeight(state, pick(a, state.releases.length), 0),
  evict: (state, [a]) => withWeight(state, pick(a, state.releases.length), undefined),
  'bring in': (state, [a, b]) => withWeight(state, pick(a, state.releases.length), 1 + (b % 100)),
  'rename a release': (state, [a], fresh) => {
    const at = pick(a, state.releases.length);
    const { pods } = state.releases[at] as Release;
    return {
      ...state,
      releases: replace(state.releases, at, { name: `role-${fresh().replace(/\D/g, '')}`, pods }),
    };
  },
  'rename the route': (state, [a]) => ({ ...state, routeName: `route-${a % 50}` }),
  'a pod more': (state, [a], fresh) => {
    const at = pick(a, state.releases.length);
    const { name, pods } = state.releases[at] as Release;
    return { ...state, releases: replace(state.releases, at, { name, pods: [...pods, fresh()] }) };
  },
  'a pod less': (state, [a, b]) => {
    const at = pick(a, state.releases.length);
    const { name, pods } = state.releases[at] as Release;
    const left = pods.filter((_, i) => i !== pick(b, pods.length));
    return left.length === 0
      ? state
      : { ...state, releases: replace(state.releases, at, { name, pods: left }) };
  },
  'pods change roles': (state, [a]) => {
    const from = pick(a, state.releases.length);
    const to = (from + 1) % state.releases.length;
    const [one, two] = [state.releases[from] as Release, state.releases[to] as Release];
    const swapped = replace(state.releases, from, { ...one, pods: two.pods });
    return { ...state, releases: replace(swapped, to, { ...two, pods: one.pods }) };
  },
  'another label': (state, [a]) => ({ ...state, label: pick(a, state.releases.length) }),
};

/** Unless nothing would be open to new sessions then. */
function withWeight(state: State, at: number, weight: number | undefined): State {
  const weights = replace(state.weights, at, weight);
  return weights.some((each) => (each ?? 0) > 0) ? { ...state, weights } : state;
}

const step = fc.record({
  what: fc.constantFrom(...Object.keys(STEPS)),
  choice: fc.tuple(fc.nat(1000), fc.nat(1000)),
  /** Sessions that are labelled before the step. */
  labelled: fc.array(fc.nat(29), { maxLength: 4 }),
  /** A pod whose usability changes, by its place among all. */
  health: fc.option(fc.tuple(fc.nat(100), fc.constantFrom<Usability>(UNUSABLE, PINNED_ONLY, USABLE)), {
    nil: undefined,
  }),
});

class World {
  private readonly table = new MeshTable();
  private readonly usability = new Map<string, Usability>();
  private pods = 0;
  state: State;

  constructor(private readonly affinity: object) {
    const release = (name: string): Release => ({ name, pods: [this.freshPod(), this.freshPod()] });
    this.state = {
      releases: ['role-a', 'role-b', 'role-c'].map(release),
      weights: [60, 40, undefined],
      routeName: 'main',
      label: 1,
    };
    this.put(this.state);
  }

  /** A pod of its own, in its release first of all: never unusable, so that no release fails over. */
  private freshPod(): string {
    this.pods++;
    return `10.0.${this.pods >> 8}.${this.pods & 255}:80`;
  }

  step(what: string, choice: Choice): void {
    this.put((STEPS[what] as Step)(this.state, choice, () => this.freshPod()));
  }

  setHealth([n, usability]: readonly [number, Usability]): void {
    const all = this.state.releases.flatMap(({ pods }) => pods.slice(1));
    const address = all[pick(n, Math.max(1, all.length))];
    if (address === undefined) return;
    this.usability.set(address, usability);
    this.table.setUsability(address, usability);
  }

  call(session: number, headers: readonly (readonly [string, string])[] = []): string {
    const place = this.table.where('checkout', { headers: [...user(session), ...headers] });
    return place.split(' ')[1] as string;
  }

  /** Index of the release that has the pod now, or -1. */
  releaseOf(pod: string): number {
    return this.state.releases.findIndex(({ pods }) => pods.includes(pod));
  }

  isListed(release: number): boolean {
    return this.state.weights[release] !== undefined;
  }

  isOpen(release: number): boolean {
    return (this.state.weights[release] ?? 0) > 0;
  }

  mayStay(pod: string): boolean {
    return this.releaseOf(pod) !== -1 && this.usability.get(pod) !== UNUSABLE;
  }

  private put(state: State): void {
    const pods = state.releases.flatMap((release) => release.pods);
    // A release without a pod that serves would fail over, which is another promise.
    for (const {
      pods: [first],
    } of state.releases)
      this.revive(first as string);
    if (new Set(pods).size !== pods.length) throw new Error('one pod in two releases');
    this.state = state;
    const split = state.releases.flatMap(({ name }, i) => {
      const weight = state.weights[i];
      return weight === undefined ? [] : [{ version: name, weight }];
    });
    const labelled = state.releases[state.label] as Release;
    this.table.incarnations = Object.fromEntries(state.releases.map(({ name }) => [name, name]));
    this.table.apply({
      apiVersion: 'roost.dev/v1alpha1',
      kind: 'MeshService',
      metadata: { name: 'checkout', namespace: 'shop' },
      spec: {
        port: 8080,
        stable: (split.find(({ weight }) => weight > 0) as { version: string }).version,
        versions: state.releases.map(({ name, pods }) => ({
          name,
          endpoints: pods.map((address) => ({ address })),
        })),
        routes: [
          {
            name: `${state.routeName}-label`,
            match: [{ headers: [{ name: 'x-label', exact: 'yes' }] }],
            split: [{ version: labelled.name, weight: 1 }],
          },
          { name: state.routeName, split },
        ],
        affinity: { key: [{ header: 'x-user-id' }], ...this.affinity },
      },
    });
  }

  private revive(address: string): void {
    this.usability.delete(address);
    this.table.setUsability(address, USABLE);
  }
}

const LABEL = [['x-label', 'yes']] as const;
const sessions = Array.from({ length: 30 }, (_, i) => i);

t.test(
  'S2, S4, S6: through renames, drains, labels and all else, a session moves only with a reason',
  async () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
        const world = new World({ version: 'persistent', endpoint: 'persistent' });
        const places = sessions.map((n) => world.call(n));
        for (const { what, choice, labelled, health } of steps) {
          for (const n of labelled) {
            places[n] = world.call(n, LABEL);
            if (world.releaseOf(places[n] as string) !== world.state.label) return false;
          }
          world.step(what, choice);
          if (health !== undefined) world.setHealth(health);
          for (const n of sessions) {
            const was = places[n] as string;
            const is = world.call(n);
            const release = world.releaseOf(was);
            const listed = release !== -1 && world.isListed(release);
            if (listed && world.mayStay(was) && is !== was) return false;
            if (listed && world.releaseOf(is) !== release) return false;
            places[n] = is;
          }
        }
        return true;
      }),
      { numRuns: 60 },
    );
  },
);

t.test('S2: a drained release gets nobody who was not there, whatever else happens', async () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
      const world = new World({ version: 'persistent', endpoint: 'balanced' });
      let places = sessions.map((n) => world.call(n));
      let newcomers = sessions.length;
      for (const { what, choice } of steps) {
        const before = places.map((pod) => world.releaseOf(pod));
        world.step(what, choice);
        const now = sessions.map((n) => world.call(n));
        const fresh = sessions.map(() => world.call(++newcomers));
        if (fresh.some((pod) => !world.isOpen(world.releaseOf(pod)))) return false;
        // Who was there: by the release that it was on, or by the pod, which may have changed its release (S6).
        const came = now.filter((pod, n) => {
          const is = world.releaseOf(pod);
          return is !== before[n] && is !== world.releaseOf(places[n] as string);
        });
        if (came.some((pod) => !world.isOpen(world.releaseOf(pod)))) return false;
        places = now;
      }
      return true;
    }),
    { numRuns: 40 },
  );
});
