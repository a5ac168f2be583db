import { expect, test } from 'vitest'
import { type Run, simulate } from '../simulate.ts'

/** A piece of so many lives is one test. */
const PIECE = 25
const TIMEOUT_MS = 120_000

/** Lives from one seed up to another: nothing that must hold is broken, and healthy canaries are left in peace. */
export function testLives(from: number, to: number): void {
  const runs: Run[] = []
  const pieces = Array.from({ length: Math.ceil((to - from) / PIECE) }, (_, i) => from + i * PIECE)

  test.each(pieces)(
    'seeds %i and following',
    async (first) => {
      for (let seed = first; seed < Math.min(first + PIECE, to); seed++) {
        const run = await simulate(seed)
        runs.push(run)
        expect(run.broken, again(seed)).toEqual([])
      }
    },
    TIMEOUT_MS,
  )

  test('no canary that is as good as stable is rolled back by proof, at a risk of 1 % each', () => {
    const healthy = runs.filter(({ world, calm }) => calm && (world === 'healthy' || world === 'measured'))
    const wronged = healthy.filter(({ proven }) => proven === 'rolled-back')
    expect(healthy.length).toBeGreaterThan((to - from) / 20)
    expect(wronged.map(({ seed }) => seed)).toEqual([])
  })
}

/** How to see a life that went wrong. */
export function again(seed: number): string {
  return `see it: node gateway/simulation/main.ts --seed ${seed} --trace`
}
