import { parseArgs } from 'node:util'
import { simulate } from './simulate.ts'

/*
 * node gateway/simulation/main.ts --seed 7 --trace       one life, told
 * node gateway/simulation/main.ts --seeds 0..50000       many, and what came of them
 */

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '0' },
    seeds: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
})
const [from, to] = values.seeds?.split('..').map(Number) ?? [Number(values.seed), Number(values.seed) + 1]
if (!Number.isInteger(from) || !Number.isInteger(to))
  throw new RangeError('--seed is a whole number, and --seeds are two of them: 0..500')
const ends = new Map<string, number>()
let failed = 0
for (let seed = from!; seed < to!; seed++) {
  const run = await simulate(seed, values)
  const { broken, trace, world, calm, policy, first, proven } = run
  if (values.trace) console.log(trace.join('\n'))
  const end = `${calm ? 'calm' : 'rough'} ${world} ${policy}: ${first ?? 'goes on'}${proven ? ` (proven ${proven})` : ''}`
  ends.set(end, (ends.get(end) ?? 0) + 1)
  if (broken.length === 0) continue
  failed++
  console.log(`seed ${seed}: ${broken.join('\n  ')}`)
}
for (const [end, count] of [...ends].sort()) console.log(`${count}`.padStart(7), end)
console.log(`${to! - from!} lives, ${failed} with faults`)
if (failed > 0) process.exitCode = 1
