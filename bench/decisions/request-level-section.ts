import { judged, type Row } from '../report.ts'
import type { Outcome } from './experiment.ts'
import type { Limit, RequestLevel } from './experiments/request-level.ts'
import { bare, countOf, valuesOf } from './figures.ts'
import { mostCases } from './limits.ts'
import type { Section } from './section.ts'

/** Fleets request by request: how often each figure came, by the plain way and by ours, and what it may be. */
export function requestLevel(
  title: string,
  about: string,
  experiments: readonly RequestLevel[],
  runs: Section['runs'],
): Section {
  const seen = (of: readonly Outcome[], field: string): string => {
    const values = valuesOf(of, field).filter((value) => value !== undefined)
    return values.length === 0 ? '' : `${values.filter(Number.isFinite).length} of ${values.length}`
  }
  return {
    title,
    about,
    experiments,
    runs,
    report: (outcomes) => ({
      table: [
        ['scenario', 'rolled back', 'the plain way', 'proven good', 'the plain way', 'draw held broken'],
        ...experiments.map(({ name }) => [
          bare(name),
          ...['rollbackAt', 'plainRollbackAt', 'promotionAt', 'plainPromotionAt', 'mismatchAt'].map((field) =>
            seen(outcomes.get(name)!, field),
          ),
        ]),
      ],
      rows: experiments.flatMap(({ name, limits }) =>
        limits.map((limit) => limited(bare(name), outcomes.get(name)!, limit)),
      ),
    }),
  }
}

const FIGURES: Readonly<Record<string, string>> = {
  rollbackAt: 'false rollbacks',
  promotionAt: 'false promotions',
  mismatchAt: 'draws held broken',
  verdictAfterAt: 'verdicts after the flag',
}

function limited(name: string, runs: readonly Outcome[], { figure, may }: Limit): Row {
  const count = countOf(runs, figure)
  const label = `${FIGURES[figure]} of ${runs.length}: ${name}`
  if (may === 'always') return judged(label, count, '>=', runs.length)
  return judged(label, count, '<=', may === 'never' ? 0 : mostCases(runs.length, may))
}
