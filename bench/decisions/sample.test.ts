import { expect, test } from 'vitest'
import { aliasTable, logFactorial, Sampler, seedBytes } from './sample.ts'

const DRAWS = 200_000

/**
 * Pearson's chi-square of drawn integers against an exact probability function. Counts below `from` and
 * from `to` on are one cell each, so that every cell expects enough.
 */
function chiSquare(draw: () => number, probability: (k: number) => number, from: number, to: number): number {
  const seen = new Float64Array(to - from + 2)
  for (let i = 0; i < DRAWS; i++) seen[Math.min(Math.max(draw() - from + 1, 0), to - from + 1)]!++
  const expected = new Float64Array(to - from + 2)
  for (let k = 0; k < from; k++) expected[0]! += probability(k)
  for (let k = from; k < to; k++) expected[k - from + 1] = probability(k)
  expected[to - from + 1] = 1 - expected.reduce((sum, p) => sum + p, 0)
  return expected.reduce((sum, p, cell) => {
    const mean = DRAWS * p
    return mean > 1e-9 ? sum + (seen[cell]! - mean) ** 2 / mean : sum
  }, 0)
}

/** Mean and variance of draws. */
function moments(draw: () => number): { mean: number; variance: number } {
  let [sum, squares] = [0, 0]
  for (let i = 0; i < DRAWS; i++) {
    const x = draw()
    sum += x
    squares += x * x
  }
  const mean = sum / DRAWS
  return { mean, variance: squares / DRAWS - mean * mean }
}

/** The 99.9 % point of chi-square, by Wilson and Hilferty's approximation (1931). */
const limit = (freedom: number) =>
  freedom * (1 - 2 / (9 * freedom) + 3.0902 * Math.sqrt(2 / (9 * freedom))) ** 3

const logChoose = (n: number, k: number) => logFactorial(n) - logFactorial(k) - logFactorial(n - k)

test('a text gives sixteen bytes: the same for the same text, others for any other', () => {
  expect(seedBytes('drift 7')).toEqual(seedBytes('drift 7'))
  expect(seedBytes('drift 7')).toHaveLength(16)
  const words = new Set(
    Array.from({ length: 1000 }, (_, run) => [...new Uint32Array(seedBytes(`drift ${run}`).buffer)]).flat(),
  )
  expect(words.size).toBe(4000)
})

test('equal seeds give equal sequences', () => {
  const [a, b] = [new Sampler(seedBytes('same')), new Sampler(seedBytes('same'))]
  const draws = (sampler: Sampler) => [
    sampler.uniform(),
    sampler.normal(),
    sampler.binomial(500, 0.05),
    sampler.poisson(40),
    sampler.beta(2, 5),
  ]
  expect(draws(a)).toEqual(draws(b))
})

test('uniforms fill a hundred cells evenly and are never 0 or 1', () => {
  const sampler = new Sampler(seedBytes('uniform'))
  let outside = 0
  const draw = () => {
    const u = sampler.uniform()
    if (u <= 0 || u >= 1) outside++
    return Math.floor(u * 100)
  }
  expect(chiSquare(draw, () => 0.01, 0, 100)).toBeLessThan(limit(99))
  expect(outside).toBe(0)
})

test.each([
  // n, p, and the cells: by search below a mean of 10, by rejection above, mirrored above one half.
  [25, 0.05, 0, 6],
  [500, 0.001, 0, 4],
  [500, 0.0199, 2, 20],
  [500, 0.05, 12, 40],
  [475, 0.3, 115, 170],
  [40, 0.25, 2, 19],
  [1_000_000, 0.0001, 70, 132],
  [30, 0.9, 22, 31],
])('binomial(%i, %d) has its exact probabilities', (n, p, from, to) => {
  const sampler = new Sampler(seedBytes(`binomial ${n} ${p}`))
  const exact = (k: number) => Math.exp(logChoose(n, k) + k * Math.log(p) + (n - k) * Math.log1p(-p))
  expect(chiSquare(() => sampler.binomial(n, p), exact, from, to)).toBeLessThan(limit(to - from + 1))
})

test.each([
  [0, 0.5, 0],
  [7, 0, 0],
  [7, 1, 7],
])('binomial(%i, %d) is %i', (n, p, k) => {
  expect(new Sampler(seedBytes('certain')).binomial(n, p)).toBe(k)
})

test.each([
  [0.3, 0, 4],
  [9.9, 2, 22],
  [10, 2, 22],
  [480, 420, 540],
])('poisson(%d) has its exact probabilities', (mean, from, to) => {
  const sampler = new Sampler(seedBytes(`poisson ${mean}`))
  const exact = (k: number) => Math.exp(k * Math.log(mean) - mean - logFactorial(k))
  expect(chiSquare(() => sampler.poisson(mean), exact, from, to)).toBeLessThan(limit(to - from + 1))
})

test('a multinomial gives away all it has, each weight with its binomial', () => {
  const sampler = new Sampler(seedBytes('multinomial'))
  const weights = [2, 0, 5, 3, 0]
  const out = new Uint32Array(5)
  let short = 0
  const third = () => {
    sampler.multinomial(100, weights, out)
    if (out.reduce((sum, count) => sum + count, 0) !== 100 || out[1] !== 0 || out[4] !== 0) short++
    return out[3]!
  }
  const exact = (k: number) => Math.exp(logChoose(100, k) + k * Math.log(0.3) + (100 - k) * Math.log(0.7))
  expect(chiSquare(third, exact, 17, 44)).toBeLessThan(limit(28))
  expect(short).toBe(0)
})

test('an alias table draws each number by its weight', () => {
  const sampler = new Sampler(seedBytes('alias'))
  const weights = [5, 0, 1, 0.01, 3.99, 10]
  const table = aliasTable(weights)
  expect(
    chiSquare(
      () => sampler.pick(table),
      (k) => weights[k]! / 20,
      0,
      6,
    ),
  ).toBeLessThan(limit(4))
})

test.each<[name: string, draw: (sampler: Sampler) => number, mean: number, variance: number, fourth: number]>(
  [
    // The last is the excess kurtosis, which the error of the variance needs.
    ['normal', (s) => s.normal(), 0, 1, 0],
    ['gamma(0.5)', (s) => s.gamma(0.5), 0.5, 0.5, 12],
    ['gamma(4)', (s) => s.gamma(4), 4, 4, 1.5],
    ['beta(2, 5)', (s) => s.beta(2, 5), 2 / 7, 10 / (49 * 8), -0.12],
    ['ln of logNormal(20, 0.5)', (s) => Math.log(s.logNormal(20, 0.5)), Math.log(20), 0.25, 0],
  ],
)('%s has its mean and variance', (name, draw, mean, variance, fourth) => {
  const sampler = new Sampler(seedBytes(name))
  const seen = moments(() => draw(sampler))
  expect(Math.abs(seen.mean - mean)).toBeLessThan(3.29 * Math.sqrt(variance / DRAWS))
  expect(Math.abs(seen.variance - variance)).toBeLessThan(3.29 * variance * Math.sqrt((2 + fourth) / DRAWS))
})

test.each([
  [0, 0],
  [10, Math.log(3_628_800)],
  [255, 1161.712101118401],
  [256, 1167.257278562881],
  [1_000_000, 12815518.38465816],
])('ln %i! is %d', (k, expected) => {
  expect(logFactorial(k)).toBeCloseTo(expected, k > 1000 ? 7 : 10)
})
