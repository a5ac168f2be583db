import { assess } from '@coalmine/core/evidence/assessment.ts'
import {
  addCounts,
  NO_EARLY_COUNTS,
  type Released,
  type StratumCell,
  type Window,
} from '@coalmine/core/evidence/counts.ts'
import { beginStep, observe, startEvidence } from '@coalmine/core/evidence/evidence.ts'
import { latencyReference, learned, startLearning } from '@coalmine/core/evidence/latency-reference.ts'
import { latencyEdgeMs } from '@coalmine/core/evidence/latency-scale.ts'
import { everyBin, readEarly } from '@coalmine/core/evidence/reading.ts'
import type { References } from '@coalmine/core/evidence/references.ts'
import type { Guardrail, Policy } from '@coalmine/core/rollout/policy.ts'
import { type Crossings, crossed, NO_CROSSINGS } from './crossings.ts'
import type { Outcome } from './experiment.ts'
import { type Fleet, type FleetTotals, runFleet } from './fleet.ts'
import { plainProcess } from './plain-process.ts'
import { ALPHA, BETA } from './policies.ts'

/** Judges a fleet by what is released of it, second by second. */
export interface Judge {
  /** `requests`: how many were released until now, these included. */
  see(released: Released, requests: number, nowMs: number): void
  /** Nothing that follows changes the outcome. */
  isDone(): boolean
  outcome(): Outcome
}

/** Runs a fleet at a constant weight until all of its judges are done. */
export function judged(fleet: Fleet, judges: readonly Judge[]): { outcome: Outcome; totals: FleetTotals } {
  let requests = 0
  const totals = runFleet(fleet, (released, nowMs) => {
    requests += requestsOf(released)
    for (const judge of judges) judge.see(released, requests, nowMs)
    return judges.every((judge) => judge.isDone()) ? 'stop' : undefined
  })
  return { outcome: Object.assign({}, ...judges.map((judge) => judge.outcome())), totals }
}

/** How many requests of all arms the early windows hold. */
export function requestsOf({ early = [] }: Released): number {
  let total = 0
  for (const { strata } of early)
    for (const { arms } of strata)
      total += arms.stable.requests + arms.baseline.requests + arms.canary.requests
  return total
}

/** The real evidence under a policy, in its first step from second 0 on. It is done at the first crossing of `until`. */
export function evidenceJudge(policy: Policy, references: References, until: keyof Crossings): Judge {
  let evidence = beginStep(policy, startEvidence(policy, references, 1), 0)
  let crossings = NO_CROSSINGS
  return {
    see(released, requests) {
      evidence = observe(policy, evidence, released)
      crossings = crossed(crossings, policy, assess(policy, evidence), requests)
    },
    isDone: () => Number.isFinite(crossings[until]),
    outcome: () => ({ ...crossings }),
  }
}

/** A judge under another name for what it found. */
export function named(judge: Judge, names: Readonly<Record<string, string>>): Judge {
  return {
    ...judge,
    outcome: () => {
      const outcome = judge.outcome()
      return Object.fromEntries(Object.entries(names).map(([from, to]) => [to, outcome[from]!]))
    },
  }
}

/** How long it is only learned where latency lies, as the evidence does in its first step. */
const LEARNING_SECONDS = 60

/**
 * Latency by the product over requests, as if they were independent, beside all of stable, whatever its load: the plain
 * way to compare two versions of which one has a few percent.
 */
export function requestLevelLatency(
  guardrail: Guardrail,
  references: References,
  kind: 'rollback' | 'promotion',
): Judge {
  let learning = startLearning(0)
  let process: ReturnType<typeof plainProcess> | undefined
  const learn = ({ second, strata }: Window<'early'>) => {
    for (const cell of strata) {
      const { timed } = readEarly(cell, references.horizonMs, { latency: true }).rest
      learning = learned(learning, everyBin(timed))
    }
    if (second + 1 < LEARNING_SECONDS) return
    const known = { ...references, latency: latencyReference(learning) }
    process = plainProcess(guardrail, known, kind, 'request-level')
  }
  return crossingJudge(kind, ({ early = [] }) => {
    let log = Number.NEGATIVE_INFINITY
    for (const window of early.map(withoutBaseline)) {
      if (process === undefined) learn(window)
      else log = Math.max(log, process.see({ early: [window] }))
    }
    return log
  })
}

/** The baseline's requests as part of the rest of stable. */
function withoutBaseline({ second, strata }: Window<'early'>): Window<'early'> {
  return {
    second,
    strata: strata.map(({ stratum, arms }) => ({
      stratum: { canary: stratum.canary, stable: stratum.stable + stratum.baseline, baseline: 0 },
      arms: {
        canary: arms.canary,
        stable: addCounts('early', arms.stable, arms.baseline),
        baseline: NO_EARLY_COUNTS,
      },
    })),
  }
}

/** Promotion by errors where requests that their callers gave up are left out. */
export function errorsWithoutAborted(guardrail: Guardrail, references: References): Judge {
  const process = plainProcess(guardrail, references, 'promotion', 'windowed')
  const answered = ({ stratum, arms }: StratumCell<'final'>): StratumCell<'final'> => {
    const { stable, baseline, canary } = arms
    const left = ({ requests, errors, aborted }: typeof stable) => ({
      requests: requests - aborted,
      errors,
      aborted: 0,
    })
    return { stratum, arms: { stable: left(stable), baseline: left(baseline), canary: left(canary) } }
  }
  return crossingJudge('promotion', ({ final = [] }) => {
    let log = Number.NEGATIVE_INFINITY
    for (const { second, strata } of final)
      log = Math.max(log, process.see({ final: [{ second, strata: strata.map(answered) }] }))
    return log
  })
}

/** Rollback by errors that are counted when they end, in place of when they were drawn. Whole seconds. */
export function errorsAtCompletion(guardrail: Guardrail, references: References): Judge {
  const process = plainProcess(guardrail, references, 'rollback', 'request-level')
  /** Errors of a second and an arm, by when they ended. */
  const failed = new Map<string, number>()
  const completed = (second: number, cell: StratumCell<'early'>): StratumCell<'early'> => {
    const arm = (name: 'stable' | 'baseline' | 'canary') => {
      const { requests, errors, cut } = cell.arms[name]
      for (let bin = 0; bin < cut.length; bin++) {
        if (cut[bin] === 0) continue
        const key = `${second + Math.floor(latencyEdgeMs(bin) / 1000)} ${name}`
        failed.set(key, (failed.get(key) ?? 0) + cut[bin]!)
      }
      const now = failed.get(`${second} ${name}`) ?? 0
      failed.delete(`${second} ${name}`)
      return { ...NO_EARLY_COUNTS, requests: requests - errors + now, errors: now }
    }
    return {
      stratum: cell.stratum,
      arms: { stable: arm('stable'), baseline: arm('baseline'), canary: arm('canary') },
    }
  }
  return crossingJudge('rollback', ({ early = [] }) => {
    let log = Number.NEGATIVE_INFINITY
    for (const { second, strata } of early) {
      const cells = strata.map((cell) => completed(second, cell))
      log = Math.max(log, process.see({ early: [{ second, strata: cells }] }))
    }
    return log
  })
}

/** When a log e-value crosses its level for the first time. */
function crossingJudge(kind: 'rollback' | 'promotion', logOf: (released: Released) => number): Judge {
  const level = Math.log(1 / (kind === 'rollback' ? ALPHA : BETA))
  let at = Number.POSITIVE_INFINITY
  return {
    see(released, requests) {
      if (at === Number.POSITIVE_INFINITY && logOf(released) >= level) at = requests
    },
    isDone: () => Number.isFinite(at),
    outcome: () => ({ [`${kind}At`]: at }),
  }
}
