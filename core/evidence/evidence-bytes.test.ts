import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { beginStep, type Evidence, observe, startEvidence, startWatch } from './evidence.ts'
import { decodeEvidence, encodeEvidence } from './evidence-bytes.ts'
import { aSecond, HEALTHY, healthyReferences, uniform, WIDEST_POLICY } from './testing/traffic.ts'

const random = uniform(31)

const REFERENCES = healthyReferences()
const started = startEvidence(WIDEST_POLICY, REFERENCES, 4)

/** Ticks of one second at a weight. */
function lived(
  evidence: Evidence,
  from: number,
  seconds: number,
  weightBp: number,
  requests = 200,
): Evidence {
  let after = evidence
  for (let second = from; second < from + seconds; second++) {
    const weights = { canaryBp: weightBp, baselineBp: weightBp }
    const { early, final, labels } = aSecond(random, second, weights, requests, HEALTHY)
    after = observe(WIDEST_POLICY, after, { early: [early], final: [final], labels: [labels] })
  }
  return after
}

/** The last of fourteen steps, of which the tally keeps twelve; the baseline's latency is being learned anew. */
function widest(): Evidence {
  let evidence = lived(beginStep(WIDEST_POLICY, started, 0), 0, 100, 2000)
  for (let step = 1; step < 14; step++)
    evidence = lived(beginStep(WIDEST_POLICY, evidence, 90 + 10 * step), 90 + 10 * step, 10, 300 * step)
  return lived(evidence, 230, 19, 3900, 500)
}

/** As after two days at thousands of requests a second. */
function longLived(evidence: Evidence): Evidence {
  const grown = <T extends object>(counts: T) =>
    Object.fromEntries(Object.entries(counts).map(([key, count]) => [key, count * 40_000])) as T
  return {
    ...evidence,
    tally: evidence.tally.map(({ stratum, canary, control, baseline }) => ({
      stratum,
      canary: grown(canary),
      control: grown(control),
      baseline: grown(baseline),
    })),
  }
}

describe('the bytes of evidence', () => {
  test('are at most 16 kB for every metric, 64 score bins, twelve strata and a baseline that is being learned', () => {
    const evidence = widest()
    expect(evidence.tally).toHaveLength(12)
    expect(evidence.learning).toBeDefined()
    expect(evidence.references.latency).toBeDefined()
    expect(encodeEvidence(evidence).length).toBeLessThanOrEqual(16_384)
    expect(encodeEvidence(longLived(evidence)).length).toBeLessThanOrEqual(16_384)
  })

  test('are the evidence to the bit, at every stage of its life', () => {
    const lives = {
      started,
      learning: lived(beginStep(WIDEST_POLICY, started, 0), 0, 10, 500),
      widest: widest(),
      longLived: longLived(widest()),
      watching: startWatch(WIDEST_POLICY, widest()),
      without: startEvidence({ ...WIDEST_POLICY, guardrails: [], signals: [] }, { ...REFERENCES }, 1),
    }
    for (const [name, evidence] of Object.entries(lives)) {
      const again = decodeEvidence(encodeEvidence(evidence))
      expect(again, name).toStrictEqual(evidence)
      expect(encodeEvidence(again), name).toEqual(encodeEvidence(evidence))
    }
  })

  test('continue to the same evidence', () => {
    const evidence = beginStep(WIDEST_POLICY, lived(started, 0, 20, 500), 20)
    const weights = { canaryBp: 2500, baselineBp: 2500 }
    let [kept, read] = [evidence, decodeEvidence(encodeEvidence(evidence))]
    for (let second = 20; second < 85; second++) {
      const { early, final, labels } = aSecond(random, second, weights, 200, HEALTHY)
      const released = { early: [early], final: [final], labels: [labels] }
      kept = observe(WIDEST_POLICY, kept, released)
      read = decodeEvidence(encodeEvidence(observe(WIDEST_POLICY, read, released)))
    }
    expect(kept.references.latency).toBeDefined()
    expect(read).toStrictEqual(kept)
  })

  test('hold every double and every whole number', () => {
    const whole = fc.oneof(fc.nat(), fc.constantFrom(127, 128, 16_383, 16_384, 2 ** 53 - 1))
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true }), { maxLength: 40 }),
        fc.array(whole, { minLength: 353, maxLength: 353 }),
        fc.uniqueArray(fc.nat(352), { maxLength: 353 }),
        whole,
        (wealth, counts, empty, ticks) => {
          const evidence: Evidence = {
            ...started,
            wealth: Float64Array.from(wealth),
            ticks: { early: ticks, final: 0, labels: 1 },
            learning: {
              sinceSecond: 1_700_000_000,
              observations: ticks,
              counts: Float64Array.from(counts, (count, i) => (empty.includes(i) ? 0 : count)),
            },
          }
          expect(decodeEvidence(encodeEvidence(evidence))).toStrictEqual(evidence)
        },
      ),
      { seed: 32, numRuns: 50 },
    )
  })

  test('may lie anywhere in a larger buffer', () => {
    const bytes = encodeEvidence(started)
    const larger = new Uint8Array(bytes.length + 10)
    larger.set(bytes, 3)
    expect(decodeEvidence(larger.subarray(3, 3 + bytes.length))).toStrictEqual(started)
  })

  test('cannot be made of counts that are not whole', () => {
    expect(() => encodeEvidence({ ...started, plannedSteps: 1.5 })).toThrow(
      new RangeError('1.5 is no whole number'),
    )
  })
})

describe('bytes that are not understood', () => {
  const bytes = encodeEvidence(started)
  const changed = (at: number, to: number) => {
    const copy = bytes.slice()
    copy[at] = to
    return copy
  }

  test.each([
    ['nothing', new Uint8Array(), 'these bytes are no evidence'],
    ['something else', new TextEncoder().encode('{"references":{}}'), 'these bytes are no evidence'],
    [
      'a later version',
      changed(4, 2),
      'the evidence is written in version 2, and only version 1 is understood',
    ],
    [
      'a part',
      bytes.slice(0, -1),
      `the evidence should have ${bytes.length} bytes and has ${bytes.length - 1}`,
    ],
  ])('%s: said so', (_, given, message) => {
    expect(() => decodeEvidence(given)).toThrow(new Error(message))
  })

  test('any byte that changes is noticed', () => {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        expect(() => decodeEvidence(changed(at, bytes[at]! ^ by))).toThrow(/evidence/)
      }),
      { seed: 33, numRuns: 300 },
    )
  })
})
