import { type Comparison, type Guardrail, livePart, type StatisticalPolicy } from './comparison.ts'
import { comparisonTests } from './comparison-tests.ts'
import type { Group } from './counts.ts'
import type { AnyTest, ComparisonTests } from './fed-bets.ts'
import type { References } from './references.ts'
import { sampleRatioBets } from './sample-ratio.ts'

/** A test's bets and where their wealth lies. */
export interface Placed {
  readonly test: AnyTest
  readonly at: number
  readonly size: number
}

/** The bets of one rollback e-process: all of its tests, one after the other. */
export interface PlacedMixture {
  readonly group: Group
  /** Its part of the whole risk; for signals, of a risk of their own. */
  readonly share: number
  readonly at: number
  readonly size: number
  readonly tests: readonly MixedTest[]
}

export interface MixedTest extends Placed {
  /** Its weight in the mixture. */
  readonly weight: number
  /** Each bet's weight in the test. */
  readonly weights: Float64Array
}

export interface PlacedComparison {
  readonly comparison: Comparison
  /** Undefined for a signal. */
  readonly share?: number
  readonly rollback: readonly PlacedMixture[]
  /** `anchor`: where the test's log e-value at the start of the step lies. */
  readonly promotion: readonly (Placed & { readonly anchor: number })[]
  readonly untestable?: string
}

/** A test as a tick goes through it. */
export interface ListedTest extends Placed {
  /** Promotion waits for it. */
  readonly gate: boolean
  readonly latency: boolean
}

/** A stretch of the wealth array. */
export interface Stretch {
  readonly from: number
  readonly to: number
}

export interface Workspace {
  /** ln of each bet's factor, of the tick and of one window. */
  readonly factors: Float64Array
  readonly windowFactors: Float64Array
  /** As many cells as the widest test is fed. */
  readonly cells: Float64Array
}

/** Where every bet of a policy lies in the wealth array; the order is the policy's and never depends on data. */
export interface EvidencePlan {
  readonly comparisons: readonly PlacedComparison[]
  /** All tests of a group, in the order of the policy. */
  readonly tests: Readonly<Record<Group, readonly ListedTest[]>>
  /** Where the bets of a group's rollback tests lie, and those of its promotion tests. */
  readonly rollback: Readonly<Record<Group, readonly Stretch[]>>
  readonly promotion: Readonly<Record<Group, readonly Stretch[]>>
  /** What a promoted version is watched by: all but latency, which has no equally loaded pair then. */
  readonly watched: Readonly<Record<Group, readonly Stretch[]>>
  /** Canary against all of stable, canary against baseline, and the labelled of canary and all of stable. */
  readonly sampleRatioAt: readonly [number, number, number]
  readonly wealth: number
  readonly anchors: number
  /** Where a tick is worked out: one at a time, and nothing in it outlives the tick. */
  readonly workspace: Workspace
  readonly readsLatency: boolean
}

/** More bets than this, and the evidence of a rollout would not fit into the 16 kB that each tick commits. */
export const BETS_MAX = 1650

const plans = new WeakMap<References, WeakMap<StatisticalPolicy, EvidencePlan>>()

/** The plan of a policy; kept for as long as policy and references live, as its coefficients take a while. */
export function evidencePlan(policy: StatisticalPolicy, references: References): EvidencePlan {
  const byPolicy = plans.get(references) ?? new WeakMap<StatisticalPolicy, EvidencePlan>()
  plans.set(references, byPolicy)
  const plan = byPolicy.get(policy) ?? placed(policy, references)
  byPolicy.set(policy, plan)
  return plan
}

interface Kept {
  readonly references: References
  readonly tests: ComparisonTests
}
const keptTests = new WeakMap<Comparison, Kept>()

/** A comparison's tests; learning latency anew leaves those of other comparisons, and their coefficients, as they are. */
function testsOf(comparison: Comparison, references: References, isSignal: boolean): ComparisonTests {
  const kept = keptTests.get(comparison)
  if (
    kept !== undefined &&
    comparison.metric !== 'latency' &&
    differInLatencyAlone(kept.references, references)
  )
    return kept.tests
  const tests = comparisonTests(comparison, references, { latencyWithoutBaseline: isSignal })
  keptTests.set(comparison, { references, tests })
  return tests
}

function differInLatencyAlone(a: References, b: References): boolean {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof References>
  return [...keys].every((key) => key === 'latency' || a[key] === b[key])
}

function placed(policy: StatisticalPolicy, references: References): EvidencePlan {
  let wealth = 0
  let anchors = 0
  let cells = 2
  const place = (test: AnyTest): Placed => {
    const size = test.bets.logWeights.length
    const at = wealth
    wealth += size
    cells = Math.max(cells, test.bets.cells)
    return { test, at, size }
  }
  const placeComparison = (comparison: Comparison, share?: number): PlacedComparison => {
    const tests = testsOf(comparison, references, share === undefined)
    const rollback = tests.rollback.map((mixture): PlacedMixture => {
      const at = wealth
      const mixed = mixture.tests.map(({ test, weight }) => ({
        ...place(test),
        weight,
        weights: test.bets.logWeights.map(Math.exp),
      }))
      return {
        group: mixture.group,
        share: (share === undefined ? 1 : share * livePart(policy)) * mixture.part,
        at,
        size: wealth - at,
        tests: mixed,
      }
    })
    const promotion = tests.promotion.map((test) => ({ ...place(test), anchor: anchors++ }))
    return {
      comparison,
      ...(share !== undefined && { share }),
      rollback,
      promotion,
      ...(tests.untestable !== undefined && { untestable: tests.untestable }),
    }
  }
  const comparisons = [
    ...policy.guardrails.map((guardrail: Guardrail) => placeComparison(guardrail, guardrail.share)),
    ...policy.signals.map((signal) => placeComparison(signal)),
  ]
  const ratios = sampleRatioBets.logWeights.length
  const rollback = comparisons.flatMap((placed) => placed.rollback)
  const promotion = comparisons.flatMap((placed) => placed.promotion)
  return {
    comparisons,
    tests: byGroup((group) => comparisons.flatMap((placed) => listed(placed, group))),
    rollback: byGroup((group) => stretches(rollback.filter((mixture) => mixture.group === group))),
    watched: byGroup((group) =>
      stretches(
        comparisons
          .filter(({ comparison }) => comparison.metric !== 'latency')
          .flatMap((placed) => placed.rollback)
          .filter((mixture) => mixture.group === group),
      ),
    ),
    promotion: byGroup((group) => stretches(promotion.filter(({ test }) => test.group === group))),
    sampleRatioAt: [wealth, wealth + ratios, wealth + 2 * ratios],
    wealth: wealth + 3 * ratios,
    anchors,
    workspace: workspaceFor(wealth + 2 * ratios, cells),
    readsLatency: comparisons.some(({ comparison }) => comparison.metric === 'latency'),
  }
}

/**
 * One for all plans that it is large enough for, as only one tick is worked out at a time: of a hundred rollouts each
 * would find its own one gone from the processor's cache.
 */
let shared: Workspace | undefined

function workspaceFor(bets: number, cells: number): Workspace {
  if (shared === undefined || shared.factors.length < bets || shared.cells.length < cells) {
    const factors = Math.max(bets, shared?.factors.length ?? 0)
    shared = {
      factors: new Float64Array(factors),
      windowFactors: new Float64Array(factors),
      cells: new Float64Array(Math.max(cells, shared?.cells.length ?? 0)),
    }
  }
  return shared
}

function byGroup<T>(of: (group: Group) => T): Readonly<Record<Group, T>> {
  return { early: of('early'), final: of('final'), labels: of('labels') }
}

function listed({ comparison, rollback, promotion }: PlacedComparison, group: Group): ListedTest[] {
  const latency = comparison.metric === 'latency'
  return [
    ...rollback.flatMap(({ tests }) => tests).map((placed) => ({ ...placed, gate: false, latency })),
    ...promotion.map(({ test, at, size }) => ({ test, at, size, gate: true, latency })),
  ].filter(({ test }) => test.group === group)
}

/** Neighbours as one. */
function stretches(places: readonly { readonly at: number; readonly size: number }[]): Stretch[] {
  const out: Stretch[] = []
  for (const { at, size } of places) {
    const last = out.at(-1)
    if (last?.to === at) out[out.length - 1] = { from: last.from, to: at + size }
    else out.push({ from: at, to: at + size })
  }
  return out
}
