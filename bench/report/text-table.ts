/** Lines of columns, each as wide as its widest entry; the first column to the left, the others to the right. */
export function textTable(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) =>
    Math.max(0, ...rows.map((row) => (row[i] ?? '').length)),
  );
  return rows
    .map((row) =>
      row
        .map((entry, i) =>
          i === 0 ? entry.padEnd(widths[i] as number) : entry.padStart(widths[i] as number),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** The same as GitHub-flavoured Markdown; the first row is the heading. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const line = (entries: readonly string[]) => `| ${entries.join(' | ')} |`;
  const rule = `|${head.map((_, i) => (i === 0 ? '---' : '---:')).join('|')}|`;
  return [line(head), rule, ...body.map(line)].join('\n');
}
