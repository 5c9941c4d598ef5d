import { z } from 'zod';

/**
 * What Kubernetes lets people and tools write beside a name. Roost keeps it and gives it back, and does nothing else
 * with it. Bounds and forms are those of Kubernetes, so that a manifest is right in both.
 */

const KEY =
  /^(?:(?=.{1,253}\/)[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const MAX_ANNOTATION_BYTES = 256 * 1024;
const MAX_LABELS = 1000;

const key = z.string().regex(KEY, {
  error: 'is not a key; write NAME or DOMAIN/NAME, the name of at most 63 letters, digits, "-", "_" and "."',
});

export const labels = z
  .record(
    key,
    z.string().regex(LABEL_VALUE, {
      error: 'is not a value of a label; use at most 63 letters, digits, "-", "_" and ".", or an annotation',
    }),
  )
  .refine((all) => Object.keys(all).length <= MAX_LABELS, { error: `are more than ${MAX_LABELS}` });

export const annotations = z.record(key, z.string()).refine(
  (all) => {
    const bytes = Object.entries(all).reduce((sum, pair) => sum + Buffer.byteLength(pair.join('')), 0);
    return bytes <= MAX_ANNOTATION_BYTES;
  },
  { error: 'are larger than 256 KiB together' },
);
