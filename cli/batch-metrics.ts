import { renameSync, writeFileSync } from 'node:fs'

interface Counts {
  readonly rows: number
  readonly rejected: number
  readonly parts: number
}

/**
 * Figures of a job in a file for node_exporter's textfile collector, which is replaced as a whole: whoever scrapes never
 * reads half of one.
 */
export function metricsFile(
  path: string,
  { model, version }: { readonly model: string; readonly version: string },
): { write(counts: Counts, isComplete?: boolean): void } {
  const labels = `{model="${model}",version="${version}"}`
  const line = (name: string, help: string, value: number) =>
    `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name}${labels} ${value}\n`
  return {
    write({ rows, rejected, parts }, isComplete = false) {
      const text =
        line('coalmine_batch_rows', 'Rows read, rejected ones included.', rows) +
        line('coalmine_batch_rejected_rows', 'Rows that have no prediction.', rejected) +
        line('coalmine_batch_parts', 'Parts that are done.', parts) +
        line('coalmine_batch_complete', '1 when the whole job is done.', isComplete ? 1 : 0) +
        line('coalmine_batch_updated_seconds', 'When this was written, since the epoch.', Date.now() / 1000)
      writeFileSync(`${path}.tmp`, text)
      renameSync(`${path}.tmp`, path)
    },
  }
}
