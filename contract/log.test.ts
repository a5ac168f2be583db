import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'

const LOG = new URL('./log.ts', import.meta.url).href

/** A process that logs twice at the end of its standard input, and then says on standard output that it lives. */
const program = `
import { log } from '${LOG}'
process.stdin.resume().on('end', () => {
  log.warn('the disk is full', { path: '/var', bytes: 12 })
  setImmediate(() => {
    log.info('still here')
    setImmediate(() => process.stdout.write('alive'))
  })
})`
const start = () => spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'pipe' })

test('a line is one JSON object: time, level, message, fields', async () => {
  const child = start()
  child.stdin.end()
  const lines = (await text(child.stderr)).trimEnd().split('\n')
  expect(lines).toHaveLength(2)
  expect(Object.entries(JSON.parse(lines[0]!))).toEqual([
    ['time', expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)],
    ['level', 'warn'],
    ['msg', 'the disk is full'],
    ['path', '/var'],
    ['bytes', 12],
  ])
})

test('a reader of the log that dies takes nobody with it', async () => {
  const child = start()
  child.stderr.destroy()
  await once(child.stderr, 'close')
  child.stdin.end()
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  expect([said, code]).toEqual(['alive', 0])
})
