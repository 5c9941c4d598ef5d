import { fstatSync, write, writeSync } from 'node:fs';
import { type LineWriter, LogOutput } from './log-output.js';

const STDOUT = 1;

/** The log of a process that outlives its reader, on standard output. Opened once. */
export function openStandardOutput(): LogOutput {
  const isFile = fstatSync(STDOUT).isFile();
  const output = new LogOutput(isFile ? writeToFile : writeToStream);
  // A command ends with its reader; a process that serves does not. The writer is told of every error.
  process.stdout.removeAllListeners('error').on('error', () => {});
  process.on('exit', () => {
    const rest = output.takeRest();
    if (rest === '') return;
    if (isFile) writeSync(STDOUT, rest);
    else process.stdout.write(rest);
  });
  return output;
}

/** Pipes, sockets and terminals: Node writes what goes at once and waits, off the event loop, for the rest. */
const writeToStream: LineWriter = (text, taken) => {
  process.stdout.write(text, taken);
};

const writeToFile: LineWriter = (text, taken) => writeAll(Buffer.from(text), taken);

function writeAll(bytes: Buffer, taken: (error?: Error | null) => void): void {
  write(STDOUT, bytes, (error, written) => {
    if (error || written === bytes.length) taken(error);
    else writeAll(bytes.subarray(written), taken);
  });
}
