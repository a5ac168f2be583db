import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { drawPictures } from './decisions/pictures.ts'
import { runAll } from './decisions/pool.ts'
import type { Reported, Section } from './decisions/section.ts'
import { SECTIONS } from './decisions/sections.ts'
import { machineLine } from './machine.ts'
import type { Benchmark } from './main.ts'
import { numeral, type Report, tableText } from './report.ts'

/** How good the decisions are: how often wrong, how soon, beside what others decide on the same requests. */
export const decisions: Benchmark = {
  says: 'how often decisions are wrong and how soon they come, beside other methods',
  run,
}

const DOCUMENT = fileURLToPath(new URL('../docs/decisions-benchmark.md', import.meta.url))

async function run(quick: boolean, seed = commit()): Promise<Report> {
  const startMs = performance.now()
  const parts: { section: Section; reported: Reported; runs: number }[] = []
  for (const section of SECTIONS) {
    const runs = quick ? section.runs.quick : section.runs.full
    const outcomes = await runAll(
      section.experiments.map((experiment) => ({ experiment, runs })),
      seed,
    )
    const reported = section.report(outcomes, quick)
    console.log(`${section.title}\n${tableText(reported.table)}\n`)
    parts.push({ section, reported, runs })
  }
  const minutes = (performance.now() - startMs) / 60_000
  const rows = parts.flatMap(({ reported }) => reported.rows)
  const notes = [
    `seed ${seed}; ${quick ? 'quick: few runs, limits for so many' : 'full'}; ${minutes.toFixed(1)} min`,
  ]
  if (!quick) {
    await writeFile(DOCUMENT, document(parts, seed, minutes))
    await drawPictures(seed)
    notes.push('written to docs/decisions-benchmark.md, pictures to docs/pictures')
  }
  return {
    table: [
      ['part', 'rows', 'fall short'],
      ...parts.map(({ section, reported }) => [
        section.title,
        `${reported.rows.length}`,
        `${reported.rows.filter(({ pass }) => !pass).length}`,
      ]),
    ],
    notes,
    rows,
    information: [],
  }
}

/** The commit that is measured: nobody chose these seeds. */
function commit(): string {
  return execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' }).trim()
}

function document(
  parts: readonly { section: Section; reported: Reported; runs: number }[],
  seed: string,
  minutes: number,
): string {
  const chapters = parts.map(({ section, reported, runs }) =>
    [
      `## ${section.title}`,
      section.about,
      `${runs.toLocaleString('en-US')} runs each.`,
      markdownTable(reported.table),
      ...(reported.rows.length > 0
        ? [
            markdownTable([
              ['required', 'figure', 'limit', ''],
              ...reported.rows.map(({ name, figure, target, pass }) => [
                name,
                numeral(figure),
                target,
                pass ? 'pass' : '**falls short**',
              ]),
            ]),
          ]
        : []),
    ].join('\n\n'),
  )
  return `${[
    '# Decisions, measured',
    'Written by `npm run bench -- decisions` (`--quick` for two minutes, `--seed TEXT` for other draws). What the words mean: [how decisions work](how-decisions-work.md).',
    `Seed ${seed}, ${minutes.toFixed(1)} minutes on ${machineLine()}.`,
    ...chapters,
  ].join('\n\n')}\n`
}

function markdownTable([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n')
}
