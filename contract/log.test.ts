import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'

/** Logs 5,000 lines of a kilobyte in turns of its event loop, then says on standard output how it fared. */
const PROGRAM = `
import { droppedLogLines, log } from ${JSON.stringify(new URL('./log.ts', import.meta.url).href)}
let turns = 0
const timer = setInterval(() => {
  for (let i = 0; i < 100; i++) log.info('x'.repeat(1000))
  if (++turns < 50) return
  clearInterval(timer)
  console.log(JSON.stringify({ dropped: droppedLogLines(), waiting: process.stderr.writableLength }))
  process.stdin.once('data', () => { log.info('after'); process.stdin.destroy() })
}, 1)
`

test('a reader that stops reading holds nobody up: lines are dropped, counted, and told of', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', PROGRAM], {
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  child.stderr.pause()
  const [said] = await once(createInterface({ input: child.stdout }), 'line')
  const { dropped, waiting } = JSON.parse(said)
  expect(dropped).toBeGreaterThan(1_000)
  expect(waiting).toBeLessThan(1024 * 1024 + 2_000)
  const lines: string[] = []
  const read = createInterface({ input: child.stderr })
  read.on('line', (line) => lines.push(line))
  while (lines.length < 5_000 - dropped) await once(read, 'line')
  child.stdin.write('go\n')
  await once(read, 'close')
  const last = lines.slice(-2).map((line) => JSON.parse(line))
  expect(last).toMatchObject([
    { level: 'warn', msg: 'lines of the log were dropped: nobody read it', lines: dropped },
    { level: 'info', msg: 'after' },
  ])
})
