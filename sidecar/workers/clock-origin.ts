/** The system's monotonic clock in milliseconds: the same in all threads, other than `performance.now()`. */
export function hrtimeMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
