import type { AnyTest } from '../evidence/fed-bets.ts'
import { addLogFactors, logMixture } from '../evidence/linear-bets.ts'
import { windowLogFactor } from '../evidence/window.ts'

/**
 * The ln wealth that the bets of a test gain in a second. What the canary's bad events do to it is kept apart: while
 * they are few, a proof is mostly done before the first or delayed by it, and not by a part of it.
 */
export interface Growth {
  readonly withoutHits: Float64Array
  readonly byHits: Float64Array
  /** Expected bad events of the canary in a second; Infinity where they are not told apart. */
  readonly hits: number
}

/** No bets gain or lose. */
export function noGrowth(bets: number): Growth {
  return { withoutHits: new Float64Array(bets), byHits: new Float64Array(bets), hits: 0 }
}

/**
 * The growth of a test's bets, and what hits do to it.
 *
 * @param cells what a second is expected to bring, in the test's cells
 * @param pi the canary's probability in what is compared
 */
export function growthByHits(test: AnyTest, pi: number, cells: Float64Array): Growth {
  const all = expectedGrowth(test, pi, cells)
  // Of two rates the first cell is the canary's bad events; other tests have many cells and none that is rare.
  if (test.bets.cells !== 4) return evenGrowth(all)
  const withoutHits = expectedGrowth(
    test,
    pi,
    cells.map((count, cell) => (cell === 0 ? 0 : count)),
  )
  return { withoutHits, byHits: all.map((growth, bet) => growth - withoutHits[bet]!), hits: cells[0]! }
}

/** Growth in which no single event matters. */
export function evenGrowth(growth: Float64Array): Growth {
  return { withoutHits: growth, byHits: new Float64Array(growth.length), hits: Number.POSITIVE_INFINITY }
}

/** The ln wealth that each bet of a test is expected to gain in a second. Parameters as for `growthByHits`. */
export function expectedGrowth({ bets, windowed }: AnyTest, pi: number, cells: Float64Array): Float64Array {
  const growth = new Float64Array(bets.logWeights.length)
  if (!windowed) addLogFactors(bets, pi, cells, growth)
  else if (pi > 0 && pi < 1) {
    const coefficients = bets.coefficients(pi)
    for (let bet = 0; bet < growth.length; bet++)
      growth[bet] = expectedWindowFactor(
        coefficients.subarray(bet * bets.cells, (bet + 1) * bets.cells),
        cells,
      )
  }
  return growth
}

/** Below this many a window, and with more than this at stake in each, a count is taken as it is: Poisson. */
const RARE = 5
const STRONG = 0.3
const NEGLIGIBLE = 1e-5

/** A normal deviate at nine equally spaced points: as good as exact for functions this smooth. */
const NORMAL = Array.from({ length: 9 }, (_, i): [place: number, weight: number] => {
  const place = (i - 4) * 0.8
  return [place, (0.8 / Math.sqrt(2 * Math.PI)) * Math.exp((-place * place) / 2)]
})

/**
 * The expectation of the ln factor of a window of independent requests. The sum over its cells is normal but for at
 * most two cells of rare and strong events; where the sum is small, mean and variance alone decide.
 *
 * @param coefficients ln factor of one event in each cell
 * @param rates expected events in each cell
 */
export function expectedWindowFactor(coefficients: Float64Array, rates: Float64Array): number {
  const rare: { readonly rate: number; readonly coefficient: number }[] = []
  let mean = 0
  let variance = 0
  // Only where there are few cells can one of them matter by itself.
  const few = coefficients.length <= 4
  for (let cell = 0; cell < coefficients.length; cell++) {
    const rate = rates[cell]!
    const coefficient = coefficients[cell]!
    if (few && rare.length < 2 && rate > 0 && rate < RARE && Math.abs(coefficient) > STRONG)
      rare.push({ rate, coefficient })
    else {
      mean += rate * coefficient
      variance += rate * coefficient * coefficient
    }
  }
  return overRare(rare, mean, Math.sqrt(variance))
}

function overRare(
  [first, ...others]: readonly { readonly rate: number; readonly coefficient: number }[],
  mean: number,
  deviation: number,
): number {
  if (first === undefined) return overNormal(mean, deviation)
  const { rate, coefficient } = first
  let chance = Math.exp(-rate)
  let total = 0
  for (let count = 0; count <= rate || chance > NEGLIGIBLE; count++) {
    if (chance > NEGLIGIBLE) total += chance * overRare(others, mean + count * coefficient, deviation)
    chance *= rate / (count + 1)
  }
  return total
}

function overNormal(mean: number, deviation: number): number {
  if (deviation < 0.01) return windowLogFactor(mean)
  let total = 0
  for (const [place, weight] of NORMAL) total += weight * windowLogFactor(mean + place * deviation)
  return total
}

/** How exact a moment is, in seconds, and after how many one says "never". */
const EXACT = 0.05
const NEVER_SECONDS = 1e9

/** From this many expected hits on, their scatter does not matter. */
const HITS_MANY = 30

/** The wealth of a mixture as it usually goes: a fluid whose bets grow as expected, faster or slower by the step. */
export class ExpectedWealth {
  readonly #logWeights: Float64Array
  readonly #pieces: Piece[] = []
  /** Of `log`: looked at thousands of times, and new each time. */
  readonly #wealth: Float64Array

  constructor(logWeights: Float64Array) {
    this.#logWeights = logWeights
    this.#wealth = new Float64Array(logWeights.length)
  }

  /** From this second on, or from where the last change was if that is later, the bets grow by so much a second. */
  grow(from: number, growth: Growth): void {
    const last = this.#pieces.at(-1)
    const at = Math.max(from, last?.from ?? from)
    const before = last === undefined ? noGrowth(this.#logWeights.length) : cameBy(last, at)
    this.#pieces.push({ from: at, before, growth })
  }

  /** ln of the mixture at a second, with as many hits as expected; 0 before the first. */
  log(second: number): number {
    return this.#log(second, NO_HITS_KNOWN)
  }

  /**
   * The second, not before `from`, by which the mixture's ln usually reaches `level`; Infinity for never. `since` is
   * when hits begin to scatter: from the beginning, or for what is measured from a step's start on.
   */
  reaches(level: number, from: number, since: number = Number.NEGATIVE_INFINITY): number {
    const expected = this.#first(from, (second) => this.log(second) >= level)
    const hitsSince = (second: number) =>
      hitsBy(this.#pieceAt(second), second) - hitsBy(this.#pieceAt(since), since)
    if (expected === from || !(hitsSince(expected) < HITS_MANY)) return expected
    const withHits = (hits: number) =>
      this.#first(from, (second) => this.#log(second, { since, hits }) >= level)
    return middle(withHits, hitsSince)
  }

  #log(second: number, { since, hits }: Hits): number {
    const now = this.#pieceAt(second)
    if (now === undefined) return 0
    const start = Math.min(since, second)
    const before = this.#pieceAt(start)
    const expected = hitsBy(now, second) - hitsBy(before, start)
    const part = hits === undefined || !(expected > 0) ? 1 : hits / expected
    const passed = second - now.from
    const passedBefore = before === undefined ? 0 : start - before.from
    const wealth = this.#wealth
    for (let bet = 0; bet < wealth.length; bet++) {
      const byHits = now.before.byHits[bet]! + passed * now.growth.byHits[bet]!
      const byHitsBefore =
        before === undefined ? 0 : before.before.byHits[bet]! + passedBefore * before.growth.byHits[bet]!
      wealth[bet] =
        now.before.withoutHits[bet]! +
        passed * now.growth.withoutHits[bet]! +
        byHitsBefore +
        part * (byHits - byHitsBefore)
    }
    return logMixture(this.#logWeights, wealth)
  }

  /** The first second from `low` on that is so, given that it stays so; Infinity for none. */
  #first(low: number, reached: (second: number) => boolean): number {
    if (reached(low)) return low
    let below = low
    for (const { from: end } of this.#pieces) {
      if (end <= below) continue
      if (reached(end)) return firstBetween(below, end, reached)
      below = end
    }
    for (let length = 1; length < NEVER_SECONDS; length *= 2)
      if (reached(below + length)) return firstBetween(below, below + length, reached)
    return Number.POSITIVE_INFINITY
  }

  #pieceAt(second: number): Piece | undefined {
    let index = this.#pieces.length - 1
    while (index >= 0 && this.#pieces[index]!.from > second) index--
    return this.#pieces[index]
  }
}

/** Growth from a second on, and what came together until then. */
interface Piece {
  readonly from: number
  readonly before: Growth
  readonly growth: Growth
}

function hitsBy(piece: Piece | undefined, second: number): number {
  if (piece === undefined) return 0
  const { from, before, growth } = piece
  return second === from ? before.hits : before.hits + (second - from) * growth.hits
}

function cameBy(piece: Piece, second: number): Growth {
  const { from, before, growth } = piece
  const passed = second - from
  return {
    withoutHits: before.withoutHits.map((sum, bet) => sum + passed * growth.withoutHits[bet]!),
    byHits: before.byHits.map((sum, bet) => sum + passed * growth.byHits[bet]!),
    hits: hitsBy(piece, second),
  }
}

/** How many hits there were since a second; undefined for as many as expected. */
interface Hits {
  readonly since: number
  readonly hits?: number
}

const NO_HITS_KNOWN: Hits = { since: Number.NEGATIVE_INFINITY }

/**
 * When rollouts are done, where one with k hits is done at `doneWith(k)` and hits come at random, `expectedBy(second)`
 * of them on average: the mean of the middle half. A median would jump from one number of hits to the next.
 */
function middle(doneWith: (hits: number) => number, expectedBy: (second: number) => number): number {
  /** Chances of each number of hits among the rollouts that are not done. */
  let open = [1]
  let [done, sum, lastExpected] = [0, 0, 0]
  for (let hits = 0; done < UPPER_QUARTER; hits++) {
    const second = doneWith(hits)
    if (second === Number.POSITIVE_INFINITY || hits > 2 * HITS_MANY) return second
    const expected = expectedBy(second)
    open = later(open, Math.max(0, expected - lastExpected), 4 * HITS_MANY)
    const before = done
    done += open[hits] ?? 0
    open[hits] = 0
    sum += second * Math.max(0, Math.min(done, UPPER_QUARTER) - Math.max(before, LOWER_QUARTER))
    lastExpected = expected
  }
  return sum / (UPPER_QUARTER - LOWER_QUARTER)
}

const LOWER_QUARTER = 0.25
const UPPER_QUARTER = 0.75

/** The chances after so many more expected hits, cut off at `most`. */
function later(chances: readonly number[], expected: number, most: number): number[] {
  const out = new Array<number>(
    Math.min(most, chances.length + Math.ceil(expected + 8 * Math.sqrt(expected) + 4)),
  ).fill(0)
  for (const [hits, chance] of chances.entries()) {
    let more = chance * Math.exp(-expected)
    for (let k = 0; hits + k < out.length; k++) {
      out[hits + k]! += more
      more *= expected / (k + 1)
    }
  }
  return out
}

/** As exact as it need be. */
function firstBetween(below: number, above: number, reached: (second: number) => boolean): number {
  let [low, high] = [below, above]
  while (high - low > EXACT) {
    const middle = (low + high) / 2
    if (reached(middle)) high = middle
    else low = middle
  }
  return high
}
