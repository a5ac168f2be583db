import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { log } from '@coalmine/contract/log.ts'
import { monotonicMs } from '../../clock.ts'
import type { Logged } from './logged.ts'
import { type Redactor, redactor } from './redactor.ts'
import { RotatingFile } from './rotating-file.ts'
import type { PredictionLogSettings } from './settings.ts'

const POINTS_PER_BP = 2 ** 32 / 10_000

/** What this process writes of its predictions, as CloudEvents, one a line. Off until it is configured. */
export class PredictionLog {
  #settings: PredictionLogSettings | undefined
  #file: RotatingFile | undefined
  #redactor: Redactor | undefined
  readonly #process: string = randomBytes(6).toString('hex')
  #number = 0

  get counts(): { readonly written: number; readonly dropped: number } {
    return this.#file?.counts ?? { written: 0, dropped: 0 }
  }

  /** What control says now; undefined turns it off. Never throws: a folder that cannot be made is told, and lines are dropped. */
  configure(settings: PredictionLogSettings | undefined): void {
    if (JSON.stringify(settings) === JSON.stringify(this.#settings)) return
    this.#settings = settings
    if (settings === undefined) {
      this.#file?.rotate()
      return
    }
    try {
      mkdirSync(settings.folder, { recursive: true })
    } catch (error) {
      log.error('the folder of the prediction log cannot be made', { error: (error as Error).message })
    }
    this.#redactor = settings.instances && redactor(settings.instances)
    this.#file ??= new RotatingFile(settings, monotonicMs)
    this.#file.rotate()
    this.#file.settings = settings
  }

  get isOn(): boolean {
    return this.#settings !== undefined
  }

  /** Whether a prediction is written, known before anything of it. @param random u32 draws */
  draws(random: () => number): boolean {
    const settings = this.#settings
    if (settings === undefined) return false
    return settings.sampleBp >= 10_000 || random() < settings.sampleBp * POINTS_PER_BP
  }

  /** @param body as it was sent */
  write({ timeMs, ...data }: Logged, body: Buffer): void {
    if (this.#settings === undefined) return
    const instances = this.#redactor?.(body)
    this.#file!.append(
      JSON.stringify({
        specversion: '1.0',
        id: `${this.#process}-${this.#number++}`,
        source: '/coalmine',
        type: 'coalmine.prediction.v1',
        subject: data.model,
        time: new Date(timeMs).toISOString(),
        datacontenttype: 'application/json',
        data: instances === undefined ? data : { ...data, instances },
      }),
    )
  }

  async close(): Promise<void> {
    await this.#file?.close()
  }
}
