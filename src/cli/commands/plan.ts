import type { Command } from 'commander';
import { toStruct } from '../../api/struct.js';
import type { SourceDocument } from '../../model/yaml-source.js';
import { formatTable } from '../../telemetry/text-table.js';
import { CommandError } from '../exit.js';
import { addFlags, FlagError, type Flags, readFlags, text, UsageError, type Values } from '../flags.js';
import { print, printJson } from '../terminal.js';
import { located, readDocuments } from './apply.js';
import { parseSplit } from './release.js';
import {
  CLIENT_FLAGS,
  DRAIN_FLAG,
  LABELS_FLAG,
  NAMESPACE_FLAG,
  OUTPUT_FLAG,
  qualifiedName,
  withClient,
} from './shared.js';

interface RoutePlan {
  /** Empty: no route would take these requests. */
  readonly route: string;
  /** Empty: no route takes them now. */
  readonly previousRoute: string;
  readonly sticky: boolean;
  readonly shares: readonly { readonly release: string; readonly before: number; readonly after: number }[];
  readonly moves: readonly { readonly from: string; readonly to: string; readonly share: number }[];
  readonly movedRelease: number;
  readonly movedEndpoint: number;
  readonly lost: number;
  readonly livePins: number;
  readonly movedPins: number;
  readonly cookieSessions: number;
  readonly movedCookieSessions: number;
  readonly note: string;
}

interface PlanResponse {
  readonly key: string;
  readonly isNew: boolean;
  readonly unchanged: boolean;
  readonly routes: readonly RoutePlan[];
}

const PLAN_FLAGS = {
  failAbove: {
    name: 'fail-above',
    argument: 'PERCENT',
    help: 'exit with 1 if a larger share of the sessions of any route, or of those pinned, would move to another release or pod, or be lost',
    parse: percentage,
  },
  ...CLIENT_FLAGS,
  ...OUTPUT_FLAG,
} as const satisfies Flags;

const FILE_FLAGS = {
  file: {
    name: 'file',
    short: 'f',
    argument: 'FILE',
    help: 'the MeshServices as they are to be; - for standard input',
    repeatable: true,
    parse: text,
  },
  ...PLAN_FLAGS,
} as const satisfies Flags;

const OPERATION_FLAGS = { ...NAMESPACE_FLAG, ...PLAN_FLAGS } as const satisfies Flags;

const SPLIT_FLAGS = {
  route: { name: 'route', argument: 'ROUTE', help: 'route to split', default: '', parse: text },
  ...OPERATION_FLAGS,
} as const satisfies Flags;

const ABORT_FLAGS = {
  ...DRAIN_FLAG,
  ...LABELS_FLAG,
  ...OPERATION_FLAGS,
} as const satisfies Flags;

export function addPlan(program: Command): void {
  const command = program
    .command('plan')
    .enablePositionalOptions()
    .summary('show what a change would move, before it moves it')
    .description(
      'Shows the share of sessions that a change would move, from which release to which, and the share that would ' +
        'change pod, for the requests of each route as routes are now and as they will be, whatever they are called. ' +
        'Sessions that sidecars hold are decided one by one, by the decision that sidecars make and with the pins that ' +
        'they have; where sidecars hold none, every session of the hash space is.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  roost plan -f checkout.yaml\n  roost plan split checkout.shop v1=80 v2=20 --fail-above 10%',
    );
  addFlags(command, FILE_FLAGS).action(async () => {
    const flags = readFlags(command, FILE_FLAGS);
    if (flags.file.length === 0)
      throw new UsageError(['name the change: -f FILE, or one of split, promote, abort'], command);
    const documents = await readDocuments(flags.file);
    const requests = documents.map(({ value }) => ({ document: toStruct(value as object) }));
    await showPlans(requests, flags, documents);
  });
  addOperations(command);
}

function addOperations(plan: Command): void {
  const split = plan
    .command('split')
    .argument('<name>')
    .argument('<version=weight...>')
    .summary('plan "roost split"');
  addFlags(split, SPLIT_FLAGS).action(async (given: string, entries: string[]) => {
    const flags = readFlags(split, SPLIT_FLAGS);
    const name = qualifiedName(given, flags.namespace);
    await showPlans([{ split: { name, split: parseSplit(entries, split), route: flags.route } }], flags);
  });
  const promote = plan
    .command('promote')
    .argument('<name>')
    .argument('<release>')
    .summary('plan "roost promote"');
  addFlags(promote, OPERATION_FLAGS).action(async (given: string, release: string) => {
    const flags = readFlags(promote, OPERATION_FLAGS);
    const name = qualifiedName(given, flags.namespace);
    await showPlans([{ promote: { name, release } }], flags);
  });
  const abort = plan.command('abort').argument('<name>').summary('plan "roost abort"');
  addFlags(abort, ABORT_FLAGS).action(async (given: string) => {
    const flags = readFlags(abort, ABORT_FLAGS);
    const name = qualifiedName(given, flags.namespace);
    await showPlans([{ abort: { name, drain: flags.drain, labels: flags.labels } }], flags);
  });
}

/** @param documents that the requests are about, in the same order; absent: they are about none */
async function showPlans(
  requests: readonly object[],
  flags: Values<typeof PLAN_FLAGS>,
  documents: readonly SourceDocument[] = [],
): Promise<void> {
  const plans = await withClient(flags, (client) =>
    planAll(requests, async (request, i) => {
      try {
        return await client.call<PlanResponse>('Plan', request);
      } catch (error) {
        throw located(error, documents.slice(i));
      }
    }),
  );
  if (flags.output === 'json') printJson(plans.length === 1 ? plans[0] : plans);
  else print(plans.map(describePlan).join('\n\n'));
  const worst = Math.max(0, ...plans.flatMap(({ routes }) => routes.map(worstOf)));
  if (flags.failAbove !== undefined && worst > flags.failAbove + 1e-9) {
    throw new CommandError(
      `${percent(worst)} of the sessions of a route would move or be lost, more than --fail-above ${percent(flags.failAbove)}`,
    );
  }
}

/** Plans that are asked for at a time: each has the time that a call has. */
const AT_ONCE = 8;

async function planAll(
  requests: readonly object[],
  planOne: (request: object, index: number) => Promise<PlanResponse>,
): Promise<PlanResponse[]> {
  const plans: PlanResponse[] = [];
  for (let from = 0; from < requests.length; from += AT_ONCE) {
    const calls = requests.slice(from, from + AT_ONCE).map((request, i) => planOne(request, from + i));
    plans.push(...(await Promise.all(calls)));
  }
  return plans;
}

/** The share of a route's sessions, or of those that sidecars hold, that would move or be lost. */
function worstOf(route: RoutePlan): number {
  const held = route.livePins + route.cookieSessions;
  const moved = route.movedPins + route.movedCookieSessions;
  return Math.max(
    Math.max(route.movedRelease, route.movedEndpoint) + route.lost,
    held === 0 ? 0 : moved / held,
  );
}

function describePlan({ key, isNew, unchanged, routes }: PlanResponse): string {
  if (isNew) return `${key} is new: nothing moves`;
  if (unchanged) return `${key}: nothing would change`;
  return [`${key}:`, ...routes.map(describeRoute)].join('\n\n');
}

function describeRoute(plan: RoutePlan): string {
  const rows = plan.shares.map(({ release, before, after }) => [release, percent(before), percent(after)]);
  const table = formatTable(['RELEASE', 'NEW SESSIONS NOW', 'THEN'], rows);
  const lines = [describeRequests(plan), indent(table), ''];
  if (plan.sticky) lines.push(`  ${describeMoves(plan)}`);
  if (plan.livePins > 0)
    lines.push(`  of ${plan.livePins} sessions pinned in sidecars now, ${plan.movedPins} would move`);
  if (plan.cookieSessions > 0)
    lines.push(
      `  of ${plan.cookieSessions} sessions pinned in cookies that sidecars have seen lately, ${plan.movedCookieSessions} would move`,
    );
  if (plan.note !== '') lines.push(`  ${plan.note}`);
  return lines.join('\n').trimEnd();
}

/** "route beta, for requests that route default takes now" */
function describeRequests({ route, previousRoute }: RoutePlan): string {
  if (route === '') return `route ${previousRoute}, for requests that no route would take`;
  if (route === previousRoute) return `route ${route}`;
  const by = previousRoute === '' ? 'no route' : `route ${previousRoute}`;
  return `route ${route}, for requests that ${by} takes now`;
}

/** "5.0 % of sessions move v1 → v2, 0 move back; 0.0 % change pod within their release" */
function describeMoves({ moves, movedRelease, movedEndpoint, lost }: RoutePlan): string {
  const [first, ...others] = moves.map(
    ({ from, to, share }) => `${percent(share)} of sessions move ${from} → ${to}`,
  );
  const none = movedRelease > 0 ? 'any session may change release' : 'no session changes release';
  const back = others.length === 0 ? ['0 move back'] : others;
  const releases = first === undefined ? none : [first, ...back].join(', ');
  const pods = `${percent(Math.max(0, movedEndpoint - movedRelease))} change pod within their release`;
  return [releases, pods, ...(lost > 0 ? [`${percent(lost)} are lost`] : [])].join('; ');
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function indent(block: string): string {
  return block
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');
}

function percentage(value: string): number {
  const found = /^(\d+(?:\.\d+)?)\s*%?$/.exec(value);
  if (!found || Number(found[1]) > 100) throw new FlagError('is not a percentage, such as 5%');
  return Number(found[1]) / 100;
}
