import type { Deployed, Deployment } from '@coalmine/core/rollout/deployment.ts'
import { setFreeze } from '@coalmine/core/rollout/freeze.ts'
import type { Intent, Refusal } from '@coalmine/core/rollout/intent.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import { judgedPair } from '@coalmine/core/rollout/rollout.ts'
import { startRollout } from '@coalmine/core/rollout/start-rollout.ts'
import { firstAttemptOf, referencesOf } from '../control/rollouts/foundations.ts'
import { type ControlProcess, digestOf, MODEL } from './control-process.ts'
import type { Dice } from './dice.ts'
import { otherConduct, otherQuestions } from './policies.ts'
import type { Report } from './report.ts'
import { FIRST_CANARY, FIRST_STABLE, OTHER_CANARY } from './workers.ts'

const TIMEOUT_MS = 2_000

/** What a person wants to be tried. */
export interface Trying {
  readonly version: string
  readonly policy: Policy
  readonly supersede?: boolean
  readonly retry?: boolean
}

/** Done, or why not; the store may have failed, and then nobody knows. */
export type Result = 'done' | 'not-done' | 'unknown'

/** People at the interface of one control process, with what they want at random. */
export class People {
  readonly #dice: Dice
  readonly #report: Report
  readonly #policy: Policy

  constructor(dice: Dice, report: Report, policy: Policy) {
    this.#dice = dice
    this.#report = report
    this.#policy = policy
  }

  initialise(control: ControlProcess): Promise<Result> {
    const stable = { version: FIRST_STABLE, digest: digestOf(FIRST_STABLE) }
    return this.#want(control, () => ({ kind: 'initialise', stable }))
  }

  keepCallers(control: ControlProcess, header: string): Promise<Result> {
    return this.#want(control, () => ({ kind: 'set-affinity', affinity: { header } }))
  }

  try(control: ControlProcess, trying: Trying, expected?: number): Promise<Result> {
    return this.#want(control, (deployment) => started(control, deployment, trying), expected)
  }

  /** Something, at once or by a page that was loaded a while ago. */
  act(control: ControlProcess): Promise<Result> {
    const dice = this.#dice
    const { revision } = control.deployments.get(MODEL)
    const expected = dice.chance(0.3) ? undefined : dice.chance(0.2) ? Math.max(0, revision - 1) : revision
    if (dice.chance(0.1)) return this.#freeze(control)
    if (dice.chance(0.25)) return this.try(control, this.#trying(), expected)
    return this.#want(control, (deployment) => this.#intent(deployment), expected)
  }

  /** Ends a freeze. */
  async lift(control: ControlProcess): Promise<Result> {
    try {
      return (await control.store.freeze()).frozen ? await this.#freeze(control) : 'done'
    } catch {
      return 'unknown'
    }
  }

  #trying(): Trying {
    const dice = this.#dice
    return {
      version: dice.pick([FIRST_CANARY, OTHER_CANARY, FIRST_STABLE]),
      policy: this.#policy,
      supersede: dice.chance(0.4),
      retry: dice.chance(0.7),
    }
  }

  #intent({ rollout, stable, previous }: Deployment): Intent {
    const dice = this.#dice
    const policy = rollout?.policy ?? this.#policy
    return dice.pick<() => Intent>([
      () => ({ kind: 'act', action: { kind: 'pause' } }),
      () => ({ kind: 'act', action: { kind: 'resume' } }),
      () => ({ kind: 'act', action: { kind: 'resume' } }),
      () => ({ kind: 'act', action: { kind: 'approve' } }),
      () => ({ kind: 'act', action: { kind: 'approve' } }),
      () => ({ kind: 'act', action: { kind: 'advance' } }),
      () => ({ kind: 'act', action: { kind: 'promote' } }),
      () => ({ kind: 'act', action: { kind: 'abort' } }),
      () => ({ kind: 'act', action: { kind: 'rollback' } }),
      () => ({ kind: 'act', action: { kind: 'change-policy', policy: otherConduct(policy) } }),
      () => ({ kind: 'act', action: { kind: 'restart', policy: otherQuestions(policy) } }),
      () => ({ kind: 'set-weight', weightBp: dice.whole(10_001) }),
      () => ({
        kind: 'set-stable',
        stable: dice.pick([stable, previous]) ?? { version: FIRST_STABLE, digest: digestOf(FIRST_STABLE) },
      }),
      () => ({ kind: 'rollback' }),
      () => ({ kind: 'end-split' }),
    ])()
  }

  async #freeze(control: ControlProcess): Promise<Result> {
    const { store } = control
    try {
      const freeze = await store.freeze()
      const change = setFreeze(freeze, !freeze.frozen, {
        actor: 'ann',
        reason: 'to see',
        nowMs: control.nowMs(),
      })
      const outcome = change && (await store.setFreeze(change.next, change.event))
      this.#report.trace(() => `ann: freeze ${change?.next.frozen}, ${outcome}`)
      return outcome === 'committed' ? 'done' : 'not-done'
    } catch {
      return 'unknown'
    }
  }

  async #want(
    control: ControlProcess,
    intentOf: (deployment: Deployment) => Intent | Refusal | Promise<Intent | Refusal>,
    expected?: number,
  ): Promise<Result> {
    let wanted = ''
    const noted = async (deployment: Deployment) => {
      const intent = await intentOf(deployment)
      wanted = 'action' in intent ? intent.action.kind : intent.kind
      return intent
    }
    try {
      const context = { actor: 'ann', reason: 'to see', nowMs: control.nowMs() }
      const outcome = await control.deployments.change(MODEL, noted, context, expected)
      const done = outcome !== 'stale' && outcome.kind === 'changed'
      this.#report.trace(() => `ann over ${expected ?? 'any'}: ${wanted || 'nothing'}, ${saidOf(outcome)}`)
      if (done)
        this.#report.holds(
          expected === undefined || outcome.event.before.revision === expected,
          () =>
            `${wanted} was meant for revision ${expected} and was done to ${outcome.event.before.revision}`,
        )
      return done ? 'done' : 'not-done'
    } catch (error) {
      this.#report.trace(() => `ann: ${wanted || 'nothing'}, ${(error as Error).message}`)
      return 'unknown'
    }
  }
}

function saidOf(outcome: Awaited<ReturnType<ControlProcess['deployments']['change']>>): string {
  if (outcome === 'stale') return 'stale'
  return outcome.kind === 'refused' ? outcome.message : 'done'
}

async function started(
  control: ControlProcess,
  deployment: Deployment,
  { version, policy, supersede = false, retry = false }: Trying,
): Promise<Intent | Refusal> {
  if (deployment.stable === undefined)
    return { kind: 'refused', code: 'not-deployed', message: 'nothing is deployed' }
  const { model, serial, stable, affinity } = deployment as Deployed
  const canary = { version, digest: digestOf(version) }
  const before = await control.store.rolloutsOfPair(model, judgedPair({ stable, canary }))
  const running = supersede || deployment.rollout === undefined ? [] : [deployment.rollout]
  const outcome = startRollout(
    {
      model,
      serial: serial + 1,
      stable,
      canary,
      policy,
      ...(affinity && { affinity }),
      references: referencesOf({ manifest: { outputs: [] } }, undefined),
      firstAttempt: firstAttemptOf(TIMEOUT_MS, undefined),
      actor: 'ann',
      nowMs: control.nowMs(),
      retry,
      measure: true,
      cannotDecide: [],
    },
    [...running, ...before.filter(({ phase }) => phase.kind === 'finished')],
  )
  return outcome.kind === 'refused' ? outcome : { kind: 'start-rollout', rollout: outcome.rollout, supersede }
}
