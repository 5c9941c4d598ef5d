import type { SpecInput } from './document.js';
import type { Ingress } from './ingress.js';
import { formatSeconds } from './route-settings.js';

const NAME = 'proxy-connect-timeout';

/** A service connects in one way whatever the path, so the longest time that its Ingresses ask for counts. */
export function readConnectTimeout(ingresses: readonly Ingress[]): Pick<SpecInput, 'timeouts'> {
  const asked = ingresses.map((ingress) => ({ ingress, seconds: readSeconds(ingress) }));
  const given = asked.flatMap(({ seconds }) => (seconds === undefined ? [] : [seconds]));
  if (given.length === 0) return {};
  const longest = Math.max(...given);
  const alike = asked.every(({ seconds }) => seconds === longest);
  for (const { ingress } of asked) {
    const note = alike
      ? 'the same; then another pod of the release is asked'
      : `for the whole service: ${longest} s, the longest that its Ingresses ask for`;
    ingress.remark(NAME, { outcome: alike ? 'exact' : 'changes', note });
  }
  return { timeouts: { connect: formatSeconds(longest) } };
}

function readSeconds(ingress: Ingress): number | undefined {
  const seconds = ingress.timerSeconds(NAME, 'write seconds without a unit; ingress-nginx takes its default');
  if (seconds === undefined || seconds > 0) return seconds;
  ingress.refuseAnnotation(NAME, `${seconds} is not a timeout; write seconds`);
  return undefined;
}
