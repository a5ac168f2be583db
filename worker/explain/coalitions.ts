/**
 * Answers what a model gives, on average over a background, to records that have some values of the row and the
 * background's elsewhere: one answer for each coalition, which is a list of 0 and 1 by player.
 */
export type Game = (coalitions: readonly Uint8Array[]) => Promise<Float64Array>

export type Shapley = { base: number; contributions: Float64Array; standardErrors?: Float64Array }

/** Players up to whom all coalitions are asked. */
export const ENUMERATED_PLAYERS_MAX = 10

/** Exact Shapley values by asking for all 2^players coalitions. */
export async function enumerate(game: Game, players: number): Promise<Shapley> {
  const masks = 2 ** players
  const coalitions = Array.from({ length: masks }, (_, mask) =>
    Uint8Array.from({ length: players }, (_, i) => (mask >> i) & 1),
  )
  const values = await game(coalitions)
  // |S|! (players - |S| - 1)! / players!, by size of S.
  const weight = [1 / players]
  for (let size = 1; size < players; size++) weight[size] = (weight[size - 1]! * size) / (players - size)
  const contributions = new Float64Array(players)
  for (let mask = 0; mask < masks; mask++) {
    let size = 0
    for (let i = 0; i < players; i++) size += (mask >> i) & 1
    for (let i = 0; i < players; i++)
      if (((mask >> i) & 1) === 0)
        contributions[i]! += weight[size]! * (values[mask | (1 << i)]! - values[mask]!)
  }
  return { base: values[0]!, contributions }
}

/** Orders that are walked, each forwards and backwards. */
export const ORDERS = 16

/**
 * An estimate by random orders of the players, each walked forwards and backwards (antithetic sampling: Mitchell and
 * others, "Sampling permutations for Shapley value estimation", JMLR 2022). Sums exactly to the row's answer less the
 * base, whatever the orders. Standard errors are those of the mean over the orders.
 */
export async function permute(game: Game, players: number, seed: number): Promise<Shapley> {
  const random = mulberry32(seed)
  const sums = new Float64Array(players)
  const squares = new Float64Array(players)
  let base = 0
  for (let round = 0; round < ORDERS; round++) {
    const order = shuffled(players, random)
    const forwards = await walk(game, order)
    const backwards = await walk(game, order.toReversed())
    base = forwards.base
    for (let i = 0; i < players; i++) {
      const gained = (forwards.gains[i]! + backwards.gains[i]!) / 2
      sums[i]! += gained
      squares[i]! += gained * gained
    }
  }
  const contributions = sums.map((sum) => sum / ORDERS)
  const standardErrors = contributions.map((mean, i) =>
    Math.sqrt(Math.max(0, squares[i]! / ORDERS - mean * mean) / (ORDERS - 1)),
  )
  return { base, contributions, standardErrors }
}

/** What each player adds when it joins those before it. */
async function walk(game: Game, order: readonly number[]) {
  const coalitions = [new Uint8Array(order.length)]
  for (const player of order) {
    const next = Uint8Array.from(coalitions.at(-1)!)
    next[player] = 1
    coalitions.push(next)
  }
  const values = await game(coalitions)
  const gains = new Float64Array(order.length)
  order.forEach((player, i) => {
    gains[player] = values[i + 1]! - values[i]!
  })
  return { base: values[0]!, gains }
}

function shuffled(count: number, random: () => number): number[] {
  const order = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order
}

/** T. Ettinger's generator: 32 bits of state, enough to shuffle. Gives numbers in [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
