/**
 * Preloaded into a process (`node --import`) that has a channel to its parent: tells it several times a second for
 * how long the event loop was held at most, in milliseconds. A hold counts as far as it was spent on the CPU: on a
 * machine that others use, a process that waits for its turn is late without having held anything.
 */
const INTERVAL_MS = 5;
const TELL_EVERY_MS = 100;

let lastMs = performance.now();
let lastCpu = process.cpuUsage();
let longestMs = 0;
let toldMs = 0;

setInterval(() => {
  const nowMs = performance.now();
  const cpu = process.cpuUsage();
  const usedMs = (cpu.user + cpu.system - lastCpu.user - lastCpu.system) / 1000;
  // What compiles and collects beside the event loop is on the CPU, too: the clock is the other bound.
  longestMs = Math.max(longestMs, Math.min(usedMs, nowMs - lastMs));
  lastMs = nowMs;
  lastCpu = cpu;
  if (nowMs - toldMs < TELL_EVERY_MS) return;
  toldMs = nowMs;
  process.send?.(longestMs);
  longestMs = 0;
}, INTERVAL_MS).unref();

process.channel?.unref();
