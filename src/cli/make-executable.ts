import { chmodSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Build step: lets the built command be run by its name. npm does so only once, when it links the command, and a
 * build from nothing would undo that. Systems that go by file names ignore it.
 */
chmodSync(fileURLToPath(new URL('main.js', import.meta.url)), 0o755);
