import { Histogram } from '@coalmine/contract/histogram.ts'
import { log } from '@coalmine/contract/log.ts'
import type { Released } from '@coalmine/core/evidence/counts.ts'
import type { Evidence } from '@coalmine/core/evidence/evidence.ts'
import { prepared } from '@coalmine/core/rollout/attempt.ts'
import type { Situation } from '@coalmine/core/rollout/decision.ts'
import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import type { Intent } from '@coalmine/core/rollout/intent.ts'
import { isTried } from '@coalmine/core/rollout/phase.ts'
import { hasBegun, type Rollout } from '@coalmine/core/rollout/rollout.ts'
import { afterTick } from '@coalmine/core/rollout/rollout-step.ts'
import { tick } from '@coalmine/core/rollout/tick.ts'
import type { Suggestion } from '@coalmine/core/rollout/tolerances.ts'
import { monotonicMs } from '../../clock.ts'
import type {
  DeltaMessage,
  FencedMessage,
  LabelsMessage,
  PairsMessage,
  TrippedMessage,
} from '../../messages.ts'
import type { Deployments, Step } from '../deployments.ts'
import type { CopyLatency } from './copy-latencies.ts'
import { firstAttemptOf, type KnownVersion, referencesOf } from './foundations.ts'
import { type GroundTruth, GroundTruths } from './ground-truth.ts'
import { Intake } from './intake.ts'
import { Listening } from './listening.ts'
import type { Measured } from './measured.ts'
import { Measurements } from './measurements.ts'
import { Mirrors } from './mirrored.ts'
import type { StableFacts } from './stable-facts.ts'
import { trialOf } from './trial.ts'

/** How long a canary waits for the stable version to have had requests. */
const UNKNOWN_MS = 10_000
/** After a recorder was lost no weight rises for a step's least duration, and for this long. */
const SUSPICIOUS_MS = 30_000
const TURN_BOUNDS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

/** So many rollouts take their turn at once, or as many as all need to have theirs within so many turns. */
const TURN_ROLLOUTS = 25
const TURNS_FOR_ALL = 8

/** What the controller needs to know of the world. */
export interface World {
  /** How many data processes should be recording. */
  readonly processes: number
  version(model: string, version: string): KnownVersion | undefined
  stableFacts(model: string, version: string): StableFacts | undefined
  timeoutMs(model: string): number
  /** Preparing: endpoints of canary and baseline answer. Promoting: the canary's could answer everything. */
  ready(deployment: Deployment): boolean
  /** The canary is given nothing for now: what is known of it is not of now. */
  withheld(deployment: Deployment): boolean
}

export interface ControllerDeps {
  readonly deployments: Deployments
  /** The time of the evidence, in ms. */
  readonly now: () => number
  readonly world: World
  readonly send: (message: FencedMessage) => void
}

/** Runs the rollouts of one control process. Others may run the same ones over the same store: one commit wins. */
export class RolloutController {
  /** How long turns took that had something to do. */
  readonly turnSeconds = new Histogram(TURN_BOUNDS_SECONDS)
  /** Turns that could not be finished: the store failed. */
  failedTurns = 0
  /** Since when nothing that turns had to write was taken; undefined while it is. */
  standingSinceMs: number | undefined
  readonly #deployments: Deployments
  readonly #now: () => number
  readonly #world: World
  readonly #send: ControllerDeps['send']
  readonly #intakes = new Map<string, Intake>()
  readonly #truths = new GroundTruths()
  readonly #mirrors = new Mirrors()
  /** What each intake was made for. */
  readonly #followed = new Map<string, Rollout>()
  readonly #situations = new Map<string, { serial: number; situation: Situation }>()
  readonly #lookedMs = new Map<string, number>()
  readonly #listening = new Listening()
  readonly #measurements = new Measurements()
  /** What each model's last turn would bring into the evidence. */
  readonly #released = new Map<string, Released>()
  /** Rollouts whose turn failed, with what was said of it. */
  readonly #standing = new Map<string, string>()
  #uncleanEnds = 0
  /** The last commit may have been made or not. */
  #inDoubt = false

  constructor({ deployments, now, world, send }: ControllerDeps) {
    this.#deployments = deployments
    this.#now = now
    this.#world = world
    this.#send = send
  }

  accept(message: DeltaMessage): void {
    const { model, recording, incarnation } = message
    const { rollout } = this.#deployments.get(model)
    // Its first word may come before the first turn.
    if (rollout) this.#follow(rollout)
    const intake = this.#intakes.get(model)
    // Of a rollout that is over or changed: its process hears of the new one by its table.
    if (intake?.recording !== recording) return
    if (!this.#taken(intake, message)) this.#send({ kind: 'fenced', model, incarnations: [incarnation] })
  }

  acceptLabels(message: LabelsMessage): void {
    const { rollout } = this.#deployments.get(message.model)
    if (rollout) this.#truths.of(rollout)?.accept(message, rollout, this.#now())
  }

  acceptPairs(message: PairsMessage): void {
    const { rollout } = this.#deployments.get(message.model)
    if (rollout) this.#mirrors.accept(message, rollout)
  }

  /** The labels of the rollout that runs; undefined where it compares no accuracy. */
  groundTruth(model: string): GroundTruth | undefined {
    const { rollout } = this.#deployments.get(model)
    return rollout && this.#truths.of(rollout)
  }

  /** Whether a recorder may go on. What cannot be read is that recorder's end, and nobody else's. */
  #taken(intake: Intake, message: DeltaMessage): boolean {
    try {
      return intake.accept(message, this.#now())
    } catch (error) {
      log.error('a delta cannot be read; its recorder begins anew', {
        model: message.model,
        error: (error as Error).message,
      })
      return false
    }
  }

  /**
   * Takes a canary out for good that a data process has taken out already; outside the proof, and recorded so. What the
   * store does not take now comes again with the next report.
   */
  async tripped({ model, serial, failed, of, outcome }: TrippedMessage): Promise<void> {
    const context = {
      actor: 'gateway',
      reason: `${failed} of the last ${of} first attempts on it failed (${outcome})`,
      nowMs: this.#now(),
    }
    try {
      await this.#deployments.change(
        model,
        ({ rollout }) =>
          rollout?.serial === serial
            ? { kind: 'act', action: { kind: 'safety-rollback' } }
            : { kind: 'refused', code: 'no-rollout', message: 'it is over' },
        context,
      )
    } catch (error) {
      log.error('a canary that fails could not be rolled back yet; it gets nothing meanwhile', {
        model,
        error: (error as Error).message,
      })
    }
  }

  /** Processes of this gateway keep ending. The next turn takes away what is being tried: it may be what kills them. */
  unclean(count: number): void {
    this.#uncleanEnds = count
  }

  /** One turn for every rollout that is due, committed at once. */
  async tick(): Promise<void> {
    try {
      if (await this.#tick()) this.standingSinceMs = undefined
    } catch (error) {
      this.failedTurns++
      this.standingSinceMs ??= this.#now()
      throw error
    }
  }

  /** @returns whether all is written that was to be; false when it was nobody's turn */
  async #tick(): Promise<boolean> {
    const nowMs = this.#now()
    if (this.#inDoubt) {
      await this.#deployments.load()
      this.#mirrors.clear()
      this.#inDoubt = false
    }
    await this.#withdraw()
    const all = this.#deployments.all()
    const due = this.#longestDue(
      all.filter((deployment) => this.#isDue(deployment, nowMs)),
      all.length,
    )
    if (due.length === 0) return all.every(({ rollout }) => rollout === undefined)
    const begunMs = monotonicMs()
    const { frozen } = await this.#deployments.store.freeze()
    for (const { rollout } of due) if (rollout) await this.#mirrors.recall(rollout, this.#deployments.store)
    const steps = due.flatMap((deployment) => this.#turnAlone(deployment, nowMs, frozen) ?? [])
    if (steps.length === 0) return true
    this.#inDoubt = true
    const outcomes = await this.#deployments.commit(steps)
    this.#inDoubt = false
    for (const [i, step] of steps.entries()) {
      const { model } = step.before
      if (outcomes[i] === 'stale') {
        await this.#deployments.refresh(model)
        this.#mirrors.delete(model)
      } else this.#measurements.add(step, this.#released.get(model) ?? {})
    }
    this.turnSeconds.observe((monotonicMs() - begunMs) / 1000)
    return true
  }

  async #withdraw(): Promise<void> {
    if (this.#uncleanEnds === 0) return
    const reason = `processes of this gateway ended by themselves ${this.#uncleanEnds} times within ten minutes, and the canary may be why`
    const nothing: Intent = { kind: 'act', action: { kind: 'set-weight', weightBp: 0 } }
    const outcomes = []
    for (const { model, rollout } of this.#deployments.all()) {
      if (rollout === undefined || !isTried(rollout.phase)) continue
      const context = { actor: 'gateway', reason, nowMs: this.#now() }
      outcomes.push(await this.#deployments.change(model, () => nothing, context))
    }
    // What lost every race is tried again at the next turn.
    if (!outcomes.includes('stale')) this.#uncleanEnds = 0
  }

  /** What was last decided on, if the rollout that it was about still runs. */
  situation(model: string): Situation | undefined {
    const last = this.#situations.get(model)
    return last?.serial === this.#deployments.get(model).rollout?.serial ? last?.situation : undefined
  }

  /** What was measured of the rollout that runs. */
  measured(model: string): Measured | undefined {
    const { rollout } = this.#deployments.get(model)
    return rollout && this.#measurements.of(rollout)
  }

  /** How long copies took lately beside the originals; undefined where none are compared. */
  mirrorLatency(model: string): CopyLatency | undefined {
    const { rollout } = this.#deployments.get(model)
    return rollout && this.#mirrors.latency(rollout)
  }

  /** Tolerances that two copies of one version would need; empty when none were compared. */
  suggestions(model: string): readonly Suggestion[] {
    return this.#measurements.suggestions(model, this.#deployments.get(model).rollout)
  }

  intake(model: string): Intake | undefined {
    return this.#intakes.get(model)
  }

  #isDue({ model, rollout }: Deployment, nowMs: number): boolean {
    if (rollout === undefined) {
      this.#forget(model)
      return false
    }
    this.#follow(rollout)
    const lookedMs = Math.max(rollout.evaluatedMs, this.#lookedMs.get(model) ?? 0)
    return nowMs >= lookedMs + rollout.policy.intervalMs
  }

  /** Who waits longest; many that are due at once are spread over turns, so that none holds up the process for long. */
  #longestDue(due: readonly Deployment[], all: number): readonly Deployment[] {
    const most = Math.max(TURN_ROLLOUTS, Math.ceil(all / TURNS_FOR_ALL))
    if (due.length <= most) return due
    return due.toSorted((a, b) => a.rollout!.evaluatedMs - b.rollout!.evaluatedMs).slice(0, most)
  }

  /** Listens to what is recorded of the rollout as it is now. */
  #follow(rollout: Rollout): void {
    if (this.#followed.get(rollout.model) === rollout) return
    const stable = this.#world.version(rollout.model, rollout.stable.version)
    if (stable === undefined) return
    const { recording } = trialOf(rollout, stable.manifest)
    this.#followed.set(rollout.model, rollout)
    if (this.#intakes.get(rollout.model)?.recording === recording) return
    this.#intakes.set(rollout.model, new Intake(recording))
  }

  #forget(model: string): void {
    for (const known of [
      this.#intakes,
      this.#truths,
      this.#mirrors,
      this.#followed,
      this.#situations,
      this.#lookedMs,
      this.#released,
      this.#measurements,
      this.#listening,
    ])
      known.delete(model)
  }

  /** What is wrong with one rollout must not stop the others. */
  #turnAlone(before: Deployment, nowMs: number, frozen: boolean): Step | undefined {
    try {
      const step = this.#turn(before, nowMs, frozen)
      this.#standing.delete(before.model)
      return step
    } catch (error) {
      const { message } = error as Error
      if (this.#standing.get(before.model) !== message)
        log.error('a rollout stands still', { model: before.model, error: message })
      this.#standing.set(before.model, message)
      return undefined
    }
  }

  #turn(before: Deployment, nowMs: number, frozen: boolean): Step | undefined {
    const { model } = before
    this.#lookedMs.set(model, nowMs)
    const intake = this.#intakes.get(model)
    const found = this.#founded(before.rollout!, nowMs)
    const ready = found !== undefined && this.#world.ready(before)
    const evidenceIsFresh =
      intake !== undefined && this.#isFresh(before.rollout!, intake, nowMs) && !this.#world.withheld(before)
    const begins = ready && evidenceIsFresh && !frozen
    const rollout = this.#listening.at(nowMs, begins ? found : before.rollout!, evidenceIsFresh)
    const labels = this.#truths.of(rollout)?.beyond(rollout.evidence, nowMs) ?? []
    const released = counted({ ...intake?.beyond(rollout.evidence, nowMs), labels }, rollout.evidence)
    this.#released.set(model, released)
    const { manifest } = this.#world.version(model, rollout.stable.version) ?? {}
    const { mirrored, inputs } = this.#mirrors.take(rollout, manifest)
    const ticked = tick(rollout, released, { nowMs, frozen, evidenceIsFresh, ready }, mirrored)
    this.#situations.set(model, { serial: rollout.serial, situation: ticked.situation })
    const learned = [...Object.values(released), ...Object.values(mirrored)].some((some) => some.length > 0)
    // Nothing new to know and nothing decided is nothing to write.
    return learned || ticked.record ? { before, inputs, ...afterTick(before, ticked) } : undefined
  }

  /**
   * The rollout, founded on what is known of the stable version, once it is: bets are placed before the canary's first
   * request. Undefined while it may still become known.
   */
  #founded(rollout: Rollout, nowMs: number): Rollout | undefined {
    const { model, phase, stable, evidence } = rollout
    if (phase.kind !== 'preparing' || hasBegun(rollout)) return rollout
    const version = this.#world.version(model, stable.version)
    const facts = this.#world.stableFacts(model, stable.version)
    if (version === undefined || facts === undefined)
      return nowMs - phase.sinceMs >= UNKNOWN_MS ? rollout : undefined
    const references = referencesOf(version, facts)
    const firstAttempt = firstAttemptOf(this.#world.timeoutMs(model), facts)
    return { ...prepared(rollout, { ...evidence.references, ...references }), firstAttempt }
  }

  /** Every data process is heard, and none was lost with what it held while that could have been a choice. */
  #isFresh({ phase, policy }: Rollout, intake: Intake, nowMs: number): boolean {
    if (!intake.isRecent(this.#world.processes, nowMs)) return false
    const { minDurationMs = 0 } = 'step' in phase ? (policy.steps[phase.step] ?? {}) : {}
    return nowMs - intake.lostMs >= Math.max(SUSPICIOUS_MS, minDurationMs)
  }
}

/**
 * What this evidence counts: seconds before it begins would be let go, and come again with each turn as if somebody had
 * just asked.
 */
function counted(released: Released, { fromSecond }: Pick<Evidence, 'fromSecond'>): Released {
  const isCounted = ({ second }: { readonly second: number }) => second >= fromSecond
  const { early = [], final = [], labels = [] } = released
  return { early: early.filter(isCounted), final: final.filter(isCounted), labels: labels.filter(isCounted) }
}

/** Runs a controller's turns until it is stopped; a store that fails is asked again. */
export function runTurns(controller: RolloutController, everyMs: number): { stop(): void } {
  let timer: NodeJS.Timeout | undefined
  let problem: string | undefined
  let stopped = false
  const turn = async () => {
    try {
      await controller.tick()
      if (problem !== undefined && controller.standingSinceMs === undefined) {
        log.info('rollouts go on')
        problem = undefined
      }
    } catch (error) {
      const { message } = error as Error
      if (message !== problem) log.error('rollouts stand still; predictions go on', { error: message })
      problem = message
    }
    if (!stopped) timer = setTimeout(() => void turn(), everyMs)
  }
  timer = setTimeout(() => void turn(), everyMs)
  return {
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
