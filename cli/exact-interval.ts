/**
 * The interval that holds a chance with a confidence of 95 %, exactly, after `hits` of `of`. Method: Clopper and Pearson, "The use
 * of confidence or fiducial limits", 1934.
 */
export function exactInterval(hits: number, of: number): { readonly low: number; readonly high: number } {
  const tail = 0.025
  return {
    low: hits === 0 ? 0 : solved((chance) => 1 - atMost(hits - 1, of, chance) < tail),
    high: hits === of ? 1 : solved((chance) => atMost(hits, of, chance) > tail),
  }
}

/** The chance up to which `holds`, which holds for small ones. */
function solved(holds: (chance: number) => boolean): number {
  let [low, high] = [0, 1]
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    if (holds(middle)) low = middle
    else high = middle
  }
  return low
}

/** P(X <= hits) of a binomial. */
function atMost(hits: number, of: number, chance: number): number {
  if (chance <= 0) return 1
  if (chance >= 1) return hits >= of ? 1 : 0
  let log = of * Math.log1p(-chance)
  let sum = Math.exp(log)
  for (let k = 1; k <= hits; k++) {
    log += Math.log((of - k + 1) / k) + Math.log(chance) - Math.log1p(-chance)
    sum += Math.exp(log)
  }
  return sum
}
