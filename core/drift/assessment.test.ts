import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../routing/random.ts'
import { assess, type Sample } from './assessment.ts'

const sample = (of: Partial<Sample>): Sample => ({ bins: [], unseen: 0, missing: 0, refused: 0, ...of })

describe('a verdict', () => {
  const training = sample({ bins: [4_000, 3_000, 3_000], missing: 500 })

  test('is not given with too few records, whatever they show', () => {
    const drift = assess(sample({ bins: [0, 0, 499] }), training, 'in training')
    expect(drift).toMatchObject({ verdict: 'too-few', because: [] })
    expect(drift.psi).toBeGreaterThan(1)
    expect(assess(sample({ bins: [0, 0, 500] }), training, 'in training').verdict).toBe('drifted')
  })

  test('needs enough records on the other side too', () => {
    const few = sample({ bins: [0, 499, 0] })
    expect(assess(sample({ bins: [900, 0, 0] }), few, 'with 1.0.0').verdict).toBe('too-few')
  })

  test('says what it rests on', () => {
    const judged = (of: Partial<Sample>) => {
      const { verdict, because } = assess(sample(of), training, 'in training')
      return [verdict, ...because]
    }
    expect(judged({ bins: [400, 300, 300], missing: 50 })).toEqual(['steady'])
    expect(judged({ bins: [560, 240, 200], missing: 50 })).toEqual(['moved', 'PSI 0.11'])
    expect(judged({ bins: [100, 300, 600], missing: 50 })).toEqual(['drifted', 'PSI 0.62, 0.2 or more'])
    expect(judged({ bins: [400, 300, 300], missing: 200 })).toEqual([
      'drifted',
      'missing 16.7 %, 4.8 % in training',
    ])
    expect(judged({ bins: [400, 300, 300], missing: 50, unseen: 11 })[1]).toBe(
      '1.1 % are of categories unknown in training',
    )
  })

  test('does not blame a version for what the other misses as well', () => {
    const odd = sample({ bins: [400, 400], unseen: 40, missing: 100 })
    expect(assess(odd, odd, 'with 1.0.0').verdict).toBe('steady')
  })

  test('refused values are told, and are no part of what was seen', () => {
    const live = sample({ bins: [400, 300, 300], missing: 50, refused: 350 })
    const drift = assess(live, training, 'in training')
    expect(drift).toMatchObject({
      verdict: 'steady',
      records: { live: 1050 },
      refused: { records: 350, share: 0.25 },
    })
  })
})

test('whatever was counted, every number is finite', () => {
  const any = fc.record({
    bins: fc.array(fc.nat(2000), { minLength: 5, maxLength: 5 }),
    unseen: fc.nat(100),
    missing: fc.nat(1000),
    refused: fc.nat(1000),
  })
  const numbersOf = (node: unknown): number[] =>
    typeof node === 'number'
      ? [node]
      : typeof node === 'object'
        ? Object.values(node!).flatMap(numbersOf)
        : []
  fc.assert(
    fc.property(any, any, (live, against) => {
      expect(numbersOf(assess(live, against, 'there')).every(Number.isFinite)).toBe(true)
    }),
  )
})

/** Samples of one distribution, seeded: chance alone. */
describe('without drift', () => {
  const RUNS = 1_000
  const random = seededRandom(Uint8Array.from({ length: 16 }, (_, i) => i + 20))
  const draw = (records: number, edges: readonly number[]): number[] => {
    const bins = new Array<number>(edges.length + 1).fill(0)
    for (let i = 0; i < records; i++) {
      const u = random() / 2 ** 32
      bins[edges.filter((edge) => edge <= u).length]! += 1
    }
    return bins
  }
  const cases = [
    ['ten equal bins against training', [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], 500, 16_000],
    ['16 bins of scores, two versions', Array.from({ length: 15 }, (_, i) => (i + 1) / 16), 500, 500],
    ['four unequal ones, two versions', [0.6, 0.9, 0.97], 500, 700],
  ] as const
  test.each(cases)(
    '%s: the mean of the corrected PSI is about 0 and nothing is called moved',
    (_, edges, n, m) => {
      let sum = 0
      let raw = 0
      const verdicts = new Map<string, number>()
      for (let run = 0; run < RUNS; run++) {
        const [live, against] = [sample({ bins: draw(n, edges) }), sample({ bins: draw(m, edges) })]
        const { psi = 0, psiBias = 0, verdict } = assess(live, against, 'there')
        sum += psi
        raw += psi + psiBias
        verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1)
      }
      // Uncorrected it is as large as its bias.
      const bias = edges.length * (1 / n + 1 / m)
      expect(raw / RUNS / bias).toBeGreaterThan(0.9)
      expect(Math.abs(sum / RUNS)).toBeLessThan(0.1 * bias)
      expect([...verdicts.keys()]).toEqual(['steady'])
    },
  )
})
