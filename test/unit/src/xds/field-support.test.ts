import t from 'tap';
import { FIELD_SUPPORT } from '../../../../src/xds/field-support.js';
import { decodedName, wireName } from '../../../../src/xds/unsupported.js';
import { CARRIERS } from '../../../support/xds/carriers.js';
import { decodedText, problemsOf } from '../../../support/xds/decoded.js';
import { sampleOf, typeOf } from '../../../support/xds/descriptor.js';
import { HONOURED } from '../../../support/xds/honoured-fields.js';
import { LIMITED, NEEDED } from '../../../support/xds/limited-fields.js';

/**
 * Every field of every message that a sidecar reads (`docs/xds-fields.md`) is one of three: honoured, which shows in
 * what is decoded; passed over, since it changes nothing here; or refused by name. None is just not looked at.
 */

const words = (list: string) => list.split(' ').filter((word) => word !== '');

for (const [typeName, { honoured, only = {}, ignored = {} }] of Object.entries(FIELD_SUPPORT)) {
  const carry = CARRIERS[typeName] as NonNullable<(typeof CARRIERS)[string]>;
  const type = typeOf(typeName);
  const taken = words(honoured);
  const passedOver = Object.values(ignored).flatMap(words);
  const wireNames = new Map(type.fieldsArray.map(({ name }) => [name, wireName(name)]));

  t.test(typeName, async (t) => {
    const known = [...taken, ...passedOver];
    t.same(
      known.filter((name) => type.fields[decodedName(name)] === undefined),
      [],
      'names fields that there are',
    );
    t.equal(new Set(known).size, known.length, 'each once');
    t.same(
      Object.keys(only).filter((name) => !taken.includes(name)),
      [],
    );
    t.same(problemsOf(carry({})), NEEDED[typeName] ?? [], 'is taken as it is');

    for (const field of type.fieldsArray) {
      const name = wireNames.get(field.name) as string;
      if (known.includes(name)) continue;
      const problems = problemsOf(carry({ [field.name]: sampleOf(field) }));
      t.ok(
        problems.some((problem) => isNamedIn(problem, name)),
        `${name} is refused by name: ${problems.join('; ') || 'it is not'}`,
      );
    }

    for (const name of passedOver) {
      const field = type.fields[decodedName(name)] as NonNullable<(typeof type.fields)[string]>;
      const [bare, set] = [carry({}), carry({ [field.name]: sampleOf(field) })];
      if (NEEDED[typeName]) t.same(problemsOf(set), NEEDED[typeName], `${name} is passed over`);
      else t.equal(decodedText(set), decodedText(bare), `${name} is passed over`);
    }

    for (const name of taken) {
      const key = `${typeName}.${name}`;
      const limits = LIMITED[key];
      const { without = {}, fields = limits ? undefined : sampled(name) } = HONOURED[key] ?? {};
      if (fields) t.not(decodedText(carry(fields)), decodedText(carry(without)), `${name} is honoured`);
      t.equal(limits !== undefined, name in only, `${name}: limits are told and shown`);
      for (const value of limits?.taken ?? []) t.same(problemsOf(carry(value)), [], `${name}: one is taken`);
      for (const value of limits?.refused ?? [])
        t.ok(
          problemsOf(carry(value)).some((problem) => isNamedIn(problem, name)),
          `${name}: another is refused by name: ${problemsOf(carry(value)).join('; ')}`,
        );
    }
  });

  function sampled(name: string): Readonly<Record<string, unknown>> {
    const field = type.fields[decodedName(name)] as NonNullable<(typeof type.fields)[string]>;
    return { [field.name]: sampleOf(field) };
  }
}

/** Whether a problem's path has this field. */
function isNamedIn(problem: string, name: string): boolean {
  return new RegExp(`(^|\\.)${name}(\\[\\d+\\])?(\\.|:|$)`).test(problem);
}
