import { createServer } from 'node:net';

/** Below the range from which kernels take the ports of outgoing connections, of which there will be many. */
const FIRST = 18_000;
const LAST = 30_000;
const STEP = 7;

let next = FIRST + (process.pid % ((LAST - FIRST) / 2));

/** Ports that nobody listens on. Two calls never return the same one. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    next = next + STEP > LAST ? FIRST : next + STEP;
    const port = next;
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
