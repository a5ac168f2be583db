import { isDeepStrictEqual } from 'node:util'
import { stratumKey } from '@coalmine/core/evidence/counts.ts'
import type { DecisionRecord } from '@coalmine/core/rollout/decision.ts'
import { type Deployment, emptyDeployment } from '@coalmine/core/rollout/deployment.ts'
import { raisesCanary, snapshot } from '@coalmine/core/rollout/event.ts'
import { brokenInvariants } from '@coalmine/core/rollout/invariants.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import type { Rollout } from '@coalmine/core/rollout/rollout.ts'
import { replay } from '@coalmine/core/rollout/tick.ts'
import { routingTable } from '@coalmine/core/routing/table.ts'
import type { Commit } from '../store/rollout-store.ts'
import { decisionFaults } from './decision-faults.ts'
import type { Ledger } from './ledger.ts'
import type { Report } from './report.ts'

/** As it begins a rollout may be recorded by another shape, and what was recorded until then is left out. */
const BEGIN_SECONDS = 10

/** How a comparison decided a rollout. */
export interface Proof {
  readonly kind: 'rolled-back' | 'promoted'
  /** When, on the machine's clock. */
  readonly atMs: number
}

type Check = (holds: boolean, rule: string) => void

/** So long nobody knows yet of a request. */
const UNSEEN_MS = 8_000
/** So many requests would not have missed the canary by chance. */
const MISSED_MAX = 20

export interface HistorySetting {
  readonly report: Report
  readonly ledger: Ledger
  /** How many data processes there should be. */
  readonly processes: number
  /** Every tick is to count each request that was drawn in its seconds. */
  readonly complete: boolean
  /** Requests that came since this instant of the machine's clock. */
  readonly arrivedSince: (fromMs: number) => number
}

/** Everything that was ever committed for the one model, checked as it comes. */
export class History {
  frozen = false
  /** What is stored now. */
  now: Deployment
  /** By revision. */
  readonly revisions = new Map<number, Deployment>()
  /** How each rollout ended, by serial. */
  readonly ended = new Map<number, Rollout>()
  /** By serial; the last one where there were two. */
  readonly proofs = new Map<number, Proof>()
  /** When the last decision was, on the machine's clock. */
  decidedMs = 0
  /** Decisions of the controller and of people. */
  events = 0
  /** Ticks that only learned something. */
  evaluations = 0
  readonly #report: Report
  readonly #ledger: Ledger
  readonly #setting: HistorySetting

  constructor(model: string, setting: HistorySetting) {
    this.now = emptyDeployment(model)
    this.#setting = setting
    this.#report = setting.report
    this.#ledger = setting.ledger
  }

  /**
   * What the store has just taken in.
   *
   * @param hears how many data processes the one who decided it had heard lately
   */
  committed({ next, ended, event }: Commit, hears: number): void {
    const before = this.now
    const { rollout } = next
    const check: Check = (holds, rule) =>
      this.#report.holds(holds, () => `revision ${next.revision}, ${event?.kind ?? 'a tick'}: ${rule}`)
    this.now = next
    check(before.stable === undefined || next.stable !== undefined, 'the stable version is gone')
    if (rollout !== undefined) {
      for (const rule of brokenInvariants(rollout)) check(false, `not so: ${rule}`)
      check(rollout.revision === next.revision, 'the rollout has another revision than its deployment')
      check(!this.ended.has(rollout.serial), 'a rollout goes on that was over')
    }
    const table = routingTable(next)
    if (table !== undefined) {
      const { stable, baseline, canary } = table.stratum
      check(stable + baseline + canary === 1, 'the probabilities of the table do not make 1')
      check(table.weightBp + table.baselineBp <= 10_000, 'the shares are more than everything')
    }
    this.#counted(before.rollout, rollout ?? ended, check)
    if (event === undefined) {
      this.evaluations++
      check(next.revision === before.revision, 'a tick without a decision has a revision of its own')
      check(
        isDeepStrictEqual(snapshot(next), snapshot(before)),
        'a tick without a decision changed what is served',
      )
      return
    }
    this.events++
    this.decidedMs = this.#report.nowMs
    this.revisions.set(next.revision, next)
    this.#report.trace(
      () =>
        `revision ${next.revision} ${event.kind} by ${event.actor}, ${event.after.weightBp} bp: ${event.because}`,
    )
    check(next.revision === before.revision + 1, `it comes after revision ${before.revision}`)
    check(isDeepStrictEqual(event.before, snapshot(before)), 'the row tells of another deployment before')
    check(isDeepStrictEqual(event.after, snapshot(next)), 'the row tells of another deployment after')
    check(!(this.frozen && raisesCanary(event)), 'a canary got more during a freeze')
    if (ended !== undefined) {
      check(!this.ended.has(ended.serial), 'the rollout was over before')
      this.ended.set(ended.serial, ended)
    }
    const { decision } = event
    if (decision === undefined) return
    if (decision.actor === 'gateway')
      check(
        this.#ledger.trips.has(decision.serial),
        'a canary was taken out that no data process had taken out',
      )
    const { kind } = decision.decision
    if (decision.actor === 'controller' && raisesCanary(event))
      check(hears >= this.#setting.processes, `a canary got more while ${hears} data processes were heard`)
    if ((kind === 'promote' || kind === 'roll-back') && decision.decision.proven)
      this.proofs.set(decision.serial, {
        kind: kind === 'promote' ? 'promoted' : 'rolled-back',
        atMs: this.#report.nowMs,
      })
    const rules = before.rollout!.policy
    if (decision.actor === 'controller')
      check(
        isDeepStrictEqual(replay(decision, rules), decision.decision),
        'the same situation gives another decision today',
      )
    for (const fault of decisionFaults(before.rollout!, event)) check(false, fault)
    this.#missed(decision, rules, check)
  }

  /** Where it is said that no request came to the canary, none came that could have. */
  #missed({ decision, weightBeforeBp }: DecisionRecord, { onNoTraffic }: Policy, check: Check): void {
    if (!decision.because.startsWith('no request came')) return
    const { arrivedSince } = this.#setting
    const { nowMs } = this.#report
    const arrived = arrivedSince(nowMs - onNoTraffic.afterMs) - arrivedSince(nowMs - UNSEEN_MS)
    check(
      (arrived * weightBeforeBp) / 10_000 < MISSED_MAX,
      `${arrived} requests came within the ${onNoTraffic.afterMs} ms in which the canary is said to have had no traffic`,
    )
  }

  /** What a tick took into the evidence was drawn, and no second is counted twice. */
  #counted(before: Rollout | undefined, after: Rollout | undefined, check: Check): void {
    if (before === undefined || after === undefined || before.serial !== after.serial) return
    const begunSecond = before.evidence.firstSecond ?? Number.POSITIVE_INFINITY
    for (const [group, requests] of [
      ['early', 'requests'],
      ['final', 'finished'],
    ] as const) {
      const [from, through] = [before.evidence.cursor[group], after.evidence.cursor[group]]
      check(through >= from, `the cursor of ${group} counts went back from ${from} to ${through}`)
      if (through === from) continue
      const since = Math.max(from, after.evidence.fromSecond - 1)
      const known = new Map(before.evidence.tally.map((one) => [stratumKey(one.stratum), one]))
      for (const { stratum, canary, control } of after.evidence.tally) {
        const key = stratumKey(stratum)
        const drawn = this.#ledger.between(after.serial, key, since, through)
        for (const [arm, now, was] of [
          ['canary', canary[requests], known.get(key)?.canary[requests] ?? 0],
          ['control', control[requests], known.get(key)?.control[requests] ?? 0],
        ] as const) {
          const counted = now - was
          const tells = `${group} counts say ${counted} of ${arm} in seconds ${since + 1} to ${through}, drawn were ${drawn[arm]}`
          check(counted <= drawn[arm], tells)
          if (this.#setting.complete && from >= begunSecond + BEGIN_SECONDS)
            check(counted === drawn[arm], tells)
        }
      }
    }
  }
}
