import { parseCommandLine, USAGE } from './options.js';
import { Simulation } from './simulation.js';

const { options } = parseCommandLine(process.argv.slice(2));
const t0 = performance.now();
const sim = new Simulation(options);
sim.run();
console.log(
  USAGE.length,
  sim.requests,
  sim.decisions,
  (performance.now() - t0) / 1000,
  sim.world.changes,
  sim.fleet.changes,
  sim.oracle.tally,
);
console.log(sim.offence, sim.shares.pooled(), process.resourceUsage().maxRSS / 1024);
console.log(
  sim.shares
    .results()
    .slice(0, 3)
    .map((r) => JSON.stringify(r)),
);
if (sim.offence) {
  const again = new Simulation(options, sim.offence.session);
  again.run(sim.offence.request);
  console.log(again.history.join('\n'));
}
