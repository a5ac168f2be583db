import { argo } from '../baselines/argo.ts'
import { flagger } from '../baselines/flagger.ts'
import { growthbook } from '../baselines/growthbook.ts'
import { peekingZ } from '../baselines/peeking-z.ts'
import { pooled } from '../baselines/pooled.ts'
import { seedOf } from '../experiment.ts'
import { OURS } from '../experiments/baselines.ts'
import { ALPHA } from '../policies.ts'
import { Sampler, seedBytes } from '../sample.ts'
import type { World } from '../stream.ts'
import type { Baseline } from '../tick.ts'
import type { Leg } from '../watch-evidence.ts'
import { CONSTANT, ramped } from '../watch-evidence.ts'
import { changingWorld, steadyWorld, truthOf } from '../worlds.ts'
import { errorLooks } from './error-looks.ts'
import { rectangle, type Shape, svg, text, WIDTH } from './svg.ts'

const RUNS = 100
const RATE = 500
const LOOKS = 500

interface Scene {
  readonly heading: readonly string[]
  readonly isHealthy: boolean
  readonly world: World
  readonly legs: readonly Leg[]
}

const steady = (stable: number, canary: number): World =>
  steadyWorld(RATE, { errorRate: stable }, { errorRate: canary }, {})

const rising = (second: number) => truthOf({ errorRate: 0.002 * 10 ** (second / LOOKS) }, {})

const SCENES: readonly Scene[] = [
  { heading: ['errors', '0.1 %'], isHealthy: true, world: steady(0.001, 0.001), legs: CONSTANT },
  { heading: ['errors', '0.5 %'], isHealthy: true, world: steady(0.005, 0.005), legs: CONSTANT },
  {
    heading: ['0.2 to 2 %', 'in a ramp'],
    isHealthy: true,
    world: changingWorld(RATE, rising, rising, {}),
    legs: ramped(LOOKS),
  },
  { heading: ['errors', '0.1 to 0.3 %'], isHealthy: false, world: steady(0.001, 0.003), legs: CONSTANT },
]

/** As in the benchmark; without latencies, whose limits then never fail. */
const METHODS: readonly (Baseline & { readonly lines: readonly string[]; readonly isConstant?: true })[] = [
  // Its safe rollouts split more and more traffic in the same way; a split that changes is not its case.
  { ...growthbook, lines: ['GrowthBook'], isConstant: true },
  { ...peekingZ, lines: ['z-test at', 'each look'] },
  { ...pooled, lines: ['z-test over', 'all weights'] },
  { ...flagger(Number.POSITIVE_INFINITY, 36), lines: ['Flagger,', 'limit 1 %'] },
  { ...argo(Number.POSITIVE_INFINITY, 41), lines: ['Argo Rollouts,', 'limit 1 %'] },
]

const FIRST = 176
const COLUMN = 134
const BAR = 72
const TOP = 152
const ROW = 62

/** Which part of the rollouts each method ends, of healthy versions and of a bad one. */
export function methodsPicture(seed: string): string {
  const rows = [{ name: OURS, lines: [OURS] }, ...METHODS]
  const shares = SCENES.map((scene, i) => rolledBack(seed, i, scene))
  const healthy = SCENES.filter(({ isHealthy }) => isHealthy).length
  const bottom = TOP + ROW * rows.length
  return svg({
    title: 'Share of rollouts that are rolled back, by method',
    description: rows
      .map(({ name }) => {
        const each = SCENES.map(
          ({ heading, isHealthy }, i) =>
            `${percent(shares[i]!.get(name))} ${isHealthy ? 'healthy' : 'bad'} canaries, ${heading.join(' ')}`,
        )
        return `${name}: ${each.join('; ')}.`
      })
      .join(' '),
    height: bottom + 44,
    shapes: [
      text(20, 38, 'Rolled back, of 100 rollouts each', { weight: 'heading' }),
      text(FIRST, 82, 'Same version: should be none', { weight: 'strong', colour: 'bad' }),
      text(FIRST + COLUMN * healthy, 82, 'Bad: all', { weight: 'strong', colour: 'good' }),
      ...SCENES.flatMap(({ heading }, i) =>
        heading.map((line, j) => text(FIRST + COLUMN * i, 110 + 24 * j, line, { colour: 'muted' })),
      ),
      ...rows.flatMap(({ name, lines }, row): Shape[] => {
        const middle = TOP + ROW * (row + 0.5)
        return [
          rectangle(20, TOP + ROW * row, WIDTH - 40, 1, 'grid'),
          ...lines.map((line, j) =>
            text(
              20,
              middle + 7 + 24 * (j - (lines.length - 1) / 2),
              line,
              row === 0 ? { weight: 'strong' } : {},
            ),
          ),
          ...SCENES.flatMap(({ isHealthy }, i): Shape[] => {
            const share = shares[i]!.get(name)
            const x = FIRST + COLUMN * i
            if (share === undefined) return [text(x, middle + 7, 'no ramp', { colour: 'muted' })]
            const colour = isHealthy ? 'bad' : 'good'
            return [
              rectangle(x, middle - 13, BAR, 26, 'grid', 0.5),
              rectangle(x, middle - 13, BAR * share, 26, colour),
              text(x + BAR + 8, middle + 7, `${Math.round(share * RUNS)}`, share > 0 ? { colour } : {}),
            ]
          }),
        ]
      }),
      text(20, bottom + 26, '250,000 requests in 500 looks; errors alone', { colour: 'muted' }),
    ],
  })
}

function rolledBack(seed: string, index: number, { world, legs }: Scene): Map<string, number> {
  const methods = METHODS.filter(({ isConstant }) => !isConstant || legs === CONSTANT)
  const counts = new Map([OURS, ...methods.map(({ name }) => name)].map((name) => [name, 0]))
  for (let run = 0; run < RUNS; run++) {
    const sampler = new Sampler(seedBytes(seedOf(seed, `picture: methods, scene ${index}`, run)))
    const running = new Map(methods.map((method) => [method.name, method.start()]))
    const end = (name: string, verdict: 'rollback' | 'promote') => {
      if (verdict === 'rollback') counts.set(name, counts.get(name)! + 1)
      running.delete(name)
    }
    let isOurs = true
    for (const { logCapital, tick } of errorLooks(sampler, world, legs, LOOKS)) {
      for (const [name, { see }] of running) {
        const verdict = see(tick)
        if (verdict !== 'continue') end(name, verdict)
      }
      if (isOurs && logCapital >= Math.log(1 / ALPHA)) {
        isOurs = false
        end(OURS, 'rollback')
      }
      if (!isOurs && running.size === 0) break
    }
  }
  return new Map([...counts].map(([name, count]) => [name, count / RUNS]))
}

const percent = (share: number | undefined) =>
  share === undefined ? 'not applicable to' : `${Math.round(share * 100)} % of`
