import type { Verdict } from '@coalmine/core/evidence/assessment.ts'
import { type Phase, stepOf } from '@coalmine/core/rollout/phase.ts'
import type { Rollout } from '@coalmine/core/rollout/rollout.ts'
import { gauge, type MetricFamily, stateSet } from './metrics-family.ts'
import type { Measured } from './rollouts/measured.ts'
import { type Reading, readingsOf } from './rollouts/readings.ts'

/** A rollout that runs, as dashboards see it. */
export interface RunningRollout {
  readonly model: string
  readonly serial: number
  readonly phase: Phase['kind']
  /** From 1 on; 0 before the first and after the last. */
  readonly step: number
  readonly steps: number
  /** Since the newest second that is in the evidence, or since the start where none is. */
  readonly lagSeconds: number
  readonly readings: readonly Reading[]
}

export function runningRollout(
  rollout: Rollout,
  measured: Measured | undefined,
  nowMs: number,
): RunningRollout {
  const { model, serial, phase, policy, evidence, startedAtMs } = rollout
  const countedSeconds = Math.max(evidence.cursor.early + 1, startedAtMs / 1000)
  const step = stepOf(phase)
  return {
    model,
    serial,
    phase: phase.kind,
    step: step === undefined ? 0 : step + 1,
    steps: policy.steps.length,
    lagSeconds: Math.max(0, nowMs / 1000 - countedSeconds),
    readings: readingsOf(rollout, measured, nowMs),
  }
}

const PHASES: readonly Phase['kind'][] = [
  'preparing',
  'mirroring',
  'stepping',
  'awaiting-approval',
  'paused',
  'held',
  'promoting',
  'watching',
]
const VERDICTS: readonly Verdict[] = ['breach', 'proven', 'undecided', 'no-data', 'not-testable']

/** Series of rollouts that run; they end with them. */
export function rolloutMetrics(running: readonly RunningRollout[]): MetricFamily[] {
  const ofEach = (name: string, help: string, value: (rollout: RunningRollout) => number) =>
    gauge(
      name,
      help,
      running.map((rollout) => ({ value: value(rollout), labels: { model: rollout.model } })),
    )
  return [
    gauge(
      'coalmine_rollout_phase',
      '1 for the phase that the running rollout is in, 0 for the others.',
      running.flatMap(({ model, phase }) => stateSet('phase', PHASES, phase, { model })),
    ),
    ofEach(
      'coalmine_rollout_step',
      'Step of the running rollout, from 1 on; 0 before the first and after the last.',
      ({ step }) => step,
    ),
    ofEach('coalmine_rollout_steps', 'Steps in the policy of the running rollout.', ({ steps }) => steps),
    ofEach('coalmine_rollout_serial', 'Number of the running rollout.', ({ serial }) => serial),
    ofEach(
      'coalmine_evidence_lag_seconds',
      'Age of the newest second of requests that decisions rest on.',
      ({ lagSeconds }) => lagSeconds,
    ),
    ...comparisonMetrics(running),
  ]
}

function comparisonMetrics(running: readonly RunningRollout[]): MetricFamily[] {
  const all = running.flatMap(({ model, readings }) =>
    readings.map((reading) => {
      const { name: comparison, metric, acts } = reading
      return { reading, labels: { model, comparison, metric, acts: String(acts) } }
    }),
  )
  const ofEach = (name: string, help: string, value: (reading: Reading) => number | undefined) =>
    gauge(
      `coalmine_comparison_${name}`,
      help,
      all.flatMap(({ reading, labels }) => {
        const known = value(reading)
        return known === undefined ? [] : [{ value: known, labels }]
      }),
    )
  return [
    ofEach(
      'difference',
      'Observed difference, canary minus stable: share of requests, or part of the latency or of the score range.',
      ({ observed }) => observed?.value,
    ),
    ofEach(
      'difference_low',
      'Lower bound of the difference; with the upper one it holds at any time with probability 0.95.',
      ({ observed }) => observed?.low,
    ),
    ofEach('difference_high', 'Upper bound of the difference.', ({ observed }) => observed?.high),
    ofEach('tolerate', 'Difference that is tolerated.', ({ tolerate }) => tolerate),
    ofEach('margin', 'Difference that a promotion proves to be exceeded by none.', ({ margin }) => margin),
    ofEach(
      'log_e_rollback',
      'Natural logarithm of the evidence that the canary is worse than tolerated.',
      ({ rollback }) => rollback.log,
    ),
    ofEach(
      'log_e_rollback_threshold',
      'Where that evidence alone rolls back.',
      ({ rollback }) => rollback.threshold,
    ),
    ofEach(
      'log_e_promotion',
      'Natural logarithm of the evidence that the canary is within the margin.',
      ({ promotion }) => promotion?.log,
    ),
    ofEach(
      'log_e_promotion_threshold',
      'Where that evidence is enough for the last step.',
      ({ promotion }) => promotion?.threshold,
    ),
    ofEach(
      'log_e_step',
      'Natural logarithm of the same evidence since the step began.',
      ({ promotion }) => promotion?.stepLog,
    ),
    ofEach(
      'log_e_step_threshold',
      'Where that evidence is enough for the step.',
      ({ promotion }) => promotion?.stepThreshold,
    ),
    gauge(
      'coalmine_comparison_samples',
      'Requests that the comparison rests on.',
      all.flatMap(({ reading: { samples }, labels }) =>
        Object.entries(samples).map(([arm, value]) => ({ value, labels: { ...labels, arm } })),
      ),
    ),
    ofEach(
      'seconds_to_decide',
      'Time to the proof at the pace since the step began; absent while it does not come nearer.',
      ({ secondsToDecide }) => secondsToDecide,
    ),
    gauge(
      'coalmine_comparison_verdict',
      '1 for the verdict as it stands, 0 for the others.',
      all.flatMap(({ reading, labels }) => stateSet('verdict', VERDICTS, reading.verdict, labels)),
    ),
  ]
}
