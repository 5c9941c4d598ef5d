import type { Outcome } from './oracle/attempts.js';
import type { Placed } from './oracle/expectation.js';
import type { Call } from './oracle/oracle.js';
import type { Situation } from './oracle/situation.js';
import type { ServiceWorld } from './world/service-world.js';

/** One request of a watched session, on a line. */
export function describeCall(of: {
  readonly request: number;
  readonly call: Call;
  readonly situation: Situation;
  readonly outcome: Outcome;
  readonly placed: Placed | undefined;
  readonly problem: string | undefined;
}): string {
  const { call, situation, outcome, placed, problem } = of;
  const held = situation.held;
  const way = outcome.attempts.map(({ release, pod }) => `${release} ${pod.address}`).join(', then ');
  return [
    `  request ${of.request} at ${situation.nowMs} ms through sidecar ${call.sidecar.index}`,
    `(revision ${situation.read.revision}${call.behind ? ', not the newest' : ''})`,
    `route ${situation.route.name}${call.lane === '' ? '' : `, lane ${call.lane}`}:`,
    way || 'nowhere',
    outcome.answered ? '' : '(no answer)',
    placed ? `by ${placed.rule}` : '',
    held ? `holding release #${held.release}, pod #${held.pod}${held.label ? ', by label' : ''}` : '',
    outcome.setsCookie ? '+ Set-Cookie' : '',
    problem === undefined ? '' : `<<< ${problem}`,
  ]
    .filter((part) => part !== '')
    .join(' ');
}

/** A service's configuration on a line: pods of each release, then each route's split. */
export function describeService(world: ServiceWorld): string {
  const releases = world.versions.map((version) => {
    const pods = world.podsOf(version).map(({ address, alive }) => {
      const state = alive ? '' : ' dead';
      return `${address}${world.draining.has(address) ? ' draining' : ''}${state}`;
    });
    return `${version.name}${version.lane ? ` (${version.lane})` : ''} [${pods.join(', ')}]`;
  });
  const routes = world.routes.map(({ name, split, pin }) => {
    const entries = (split ?? []).map(({ version, weight }) => `${version}=${weight}`);
    return `${name}${pin === false ? ' (pin: false)' : ''}: ${entries.join(' ')}`;
  });
  return `stable ${world.stable}; ${releases.join('; ')}; ${routes.join('; ')}`;
}

/** What never changes about a service, on a line. */
export function describeTraits({ traits }: ServiceWorld): string {
  return Object.entries(traits)
    .filter(([, value]) => value !== false && value !== undefined)
    .map(([name, value]) => (value === true ? name : `${name} ${value}`))
    .join(', ');
}
