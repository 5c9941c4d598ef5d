import { type Flags, text } from '../flags.js';

function fileFlags(help: string) {
  return {
    file: {
      name: 'file',
      short: 'f',
      argument: 'FILE',
      help,
      required: true,
      repeatable: true,
      parse: text,
    },
  } as const satisfies Flags;
}

/** What every command takes that reads MeshServices. */
export const DOCUMENTS_FLAG = fileFlags('YAML file, folder, or - for standard input');

/** What every command takes that reads Kubernetes manifests. */
export const MANIFESTS_FLAG = fileFlags('manifest, folder of manifests, or - for standard input');
