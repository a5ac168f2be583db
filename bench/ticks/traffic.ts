import type { Manifest } from '@coalmine/contract/manifest.ts'
import type { Reference } from '@coalmine/contract/reference.ts'
import type { Deployment } from '@coalmine/core/rollout/deployment.ts'
import type { Rollout } from '@coalmine/core/rollout/rollout.ts'
import { drawArm } from '@coalmine/core/routing/draw.ts'
import { seededRandom } from '@coalmine/core/routing/random.ts'
import { type RoutingTable, routingTable } from '@coalmine/core/routing/table.ts'
import { trialOf } from '@coalmine/gateway/control/rollouts/trial.ts'
import { Recording } from '@coalmine/gateway/data/recording.ts'
import type { DeltaMessage, Trial } from '@coalmine/gateway/messages.ts'
import { type AliasTable, aliasTable, Sampler, seedBytes } from '../decisions/sample.ts'

/** One version, whose bytes both arms have. */
export interface Known {
  readonly manifest: Manifest
  readonly reference: Reference
}

const ERROR_RATE = 0.001

/**
 * What one data process records of one model's rollout, second by second: requests at even distances, drawn, answered
 * after about 5 ms, with scores as in training.
 */
export class ModelTraffic {
  readonly #known: Known
  readonly #requests: number
  readonly #sampler: Sampler
  readonly #draw: () => number
  readonly #scoreBins: AliasTable
  readonly #sent: DeltaMessage[] = []
  #recording: Recording | undefined
  #trial: Trial | undefined
  #table: RoutingTable | undefined

  constructor(model: string, known: Known, requests: number) {
    this.#known = known
    this.#requests = requests
    this.#sampler = new Sampler(seedBytes(model))
    this.#draw = seededRandom(seedBytes(`${model} draws`))
    this.#scoreBins = aliasTable(known.reference.score!.shares)
  }

  /** Deltas that are sent at the end of this second, as control receives them. */
  second(deployment: Deployment & { readonly rollout: Rollout }, beginMs: number): DeltaMessage[] {
    const recording = this.#recordingOf(deployment, beginMs)
    const [sampler, table] = [this.#sampler, this.#table!]
    const { scoreEdges } = this.#trial!
    for (let i = 0; i < this.#requests; i++) {
      const nowMs = beginMs + (1000 * i) / this.#requests
      const token = recording.assign(nowMs, drawArm(table, this.#draw()), table)
      const elapsedMs = sampler.logNormal(5, 0.4)
      if (sampler.uniform() < ERROR_RATE) recording.settle(token, 'error', elapsedMs)
      else {
        const bin = sampler.pick(this.#scoreBins)
        const score = ((scoreEdges[bin - 1] ?? 0) + (scoreEdges[bin] ?? 1)) / 2
        recording.settle(token, 'ok', elapsedMs, { rows: 1, row: 0, score, class: score < 0.5 ? 0 : 1 })
      }
    }
    recording.flush(beginMs + 1000)
    // They travel as JSON.
    return this.#sent.splice(0).map((message) => JSON.parse(JSON.stringify(message)))
  }

  #recordingOf(deployment: Deployment & { readonly rollout: Rollout }, nowMs: number): Recording {
    const { model, rollout, revision } = deployment
    if (this.#table?.revision !== revision) this.#table = routingTable(deployment)!
    const trial = trialOf(rollout, this.#known.manifest)
    this.#trial = trial
    if (this.#recording?.sameAs(trial) !== true)
      this.#recording = new Recording(
        trial,
        {
          model,
          epochOffsetMs: 0,
          random: this.#draw,
          send: (message) => this.#sent.push(message),
          lost: { unrecorded: 0, dropped: 0, stalledSeconds: 0 },
        },
        nowMs,
      )
    return this.#recording!
  }
}
