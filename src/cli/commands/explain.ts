import type { Command } from 'commander';
import { fromStruct, type Struct } from '../../api/struct.js';
import { trimBlanks } from '../../http/byte-text.js';
import { canonicalIp } from '../../net/ip-address.js';
import type { Explanation } from '../../routing/explain.js';
import { addFlags, FlagError, type Flags, readFlags, text } from '../flags.js';
import { print, printJson } from '../terminal.js';
import { CLIENT_FLAGS, NAMESPACE_FLAG, OUTPUT_FLAG, qualifiedName, withClient } from './shared.js';

const FLAGS = {
  path: {
    name: 'path',
    argument: 'PATH',
    help: 'with the query; what is beyond ASCII is percent-encoded, as clients do it',
    default: '/',
    parse: text,
  },
  method: {
    name: 'method',
    short: 'X',
    argument: 'METHOD',
    help: 'HTTP method',
    default: 'GET',
    parse: text,
  },
  header: {
    name: 'header',
    short: 'H',
    argument: 'NAME: VALUE',
    help: 'a request header',
    repeatable: true,
    parse: parseHeader,
  },
  sourceIp: {
    name: 'source-ip',
    argument: 'ADDRESS',
    help: "the caller's address",
    default: '',
    parse: ipAddress,
  },
  ...NAMESPACE_FLAG,
  ...CLIENT_FLAGS,
  ...OUTPUT_FLAG,
} as const satisfies Flags;

export function addExplain(program: Command): void {
  const command = program
    .command('explain')
    .argument('<name>', 'checkout, checkout.shop or shop/checkout')
    .summary('show where a request would go, and why')
    .description(
      'Decides one request as a sidecar would that takes every endpoint for usable and has seen no session: ' +
        'pins count where they come in a cookie.',
    )
    .addHelpText('after', "\nExample:\n  roost explain checkout.shop --path /cart -H 'x-user-id: 7'");
  addFlags(command, FLAGS).action(async (given: string) => {
    const flags = readFlags(command, FLAGS);
    const name = qualifiedName(given, flags.namespace);
    await withClient(flags, async (client) => {
      const { path, method, header: headers, sourceIp } = flags;
      const request = { name, path, method, headers, sourceIp };
      const { explanation } = await client.call<{ explanation: Struct }>('Explain', request);
      const explained = fromStruct(explanation) as unknown as Explanation;
      if (flags.output === 'json') printJson(explained);
      else print(describeExplanation(explained));
    });
  });
}

function ipAddress(value: string): string {
  const address = value === '' ? '' : canonicalIp(value);
  if (address === undefined) throw new FlagError('is not an IP address, such as 10.0.0.7 or fd00::7');
  return address;
}

function parseHeader(value: string): { readonly name: string; readonly value: string } {
  const colon = value.indexOf(':');
  if (colon < 1) throw new FlagError("is no header, such as 'x-user-id: 7'");
  return { name: value.slice(0, colon).trim(), value: trimBlanks(value, colon + 1) };
}

type Row = readonly [label: string, what: string, why: string];

/** The decision as lines: what, and behind it why. */
export function describeExplanation(explained: Explanation): string {
  const { service, route, outcome, actions = [] } = explained;
  if (outcome === 'no-route') return `${service}: no route matches (404 no-route)`;
  const over = route?.passedOver.length ? `; before it, ${route.passedOver.join(', ')} did not match` : '';
  const rows: Row[] = [
    ['service', service, ''],
    ['route', route?.name ?? '', `${route?.why}${over}`],
    ...actions.map((action): Row => ['action', action, '']),
    ...(outcome === 'abort' || outcome === 'redirect' ? answerRows(explained) : placementRows(explained)),
  ];
  const width = Math.max(...rows.map(([, what]) => what.length));
  return rows
    .map(([label, what, why]) => `${label.padEnd(9)} ${what.padEnd(width)}  ${why}`.trimEnd())
    .join('\n');
}

function answerRows({ redirect, abort }: Explanation): Row[] {
  if (redirect !== undefined)
    return [
      ['answer', `${redirect.status} ${redirect.location}`, 'the route redirects; no endpoint is asked'],
    ];
  return [
    ['answer', `${abort?.status} fault-injected`, 'a fault befalls every request; no endpoint is asked'],
  ];
}

function sessionNote(session: Explanation['session']): string {
  if (session === undefined) return 'the request has no key';
  const salt = session.salt === undefined ? '' : `, with salt "${session.salt}"`;
  return `hash ${session.hash}${salt}${session.minted ? ', made for this request' : ''}`;
}

function placementRows({ session, slot, pin, release, endpoint, newPin }: Explanation): Row[] {
  const rows: Row[] = [['session', session?.source ?? 'none', sessionNote(session)]];
  if (slot) rows.push(['slot', `${slot.number} of ${slot.of}`, `${slot.owner} owns ${slot.range}`]);
  if (pin) rows.push(['pin', pin.release, `${pin.from}, made by a ${pin.kind}; endpoint ${pin.endpoint}`]);
  const failedOver = release?.failedOverFrom ? ` (${release.failedOverFrom})` : '';
  rows.push(
    ['release', release?.name ?? '', `${release?.why}${failedOver}`],
    ['endpoint', endpoint?.address ?? 'none (503 no-endpoint)', endpoint?.why ?? ''],
  );
  if (newPin) rows.push(['new pin', newPin, '']);
  return rows;
}
