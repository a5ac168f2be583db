import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, expect, test } from 'vitest'

/** A program that logs into a real pipe, and the one that reads it. */
interface Pair {
  readonly program: ChildProcess
  readonly reader: ChildProcess
  /** The next line on standard output: what the program says of itself. */
  said(): Promise<string>
  /** Everything logged, once both have ended. */
  logged(): Promise<Record<string, unknown>[]>
}

const IMPORTS = `import { droppedLogLines, log, logWritten } from ${JSON.stringify(new URL('./log.ts', import.meta.url).href)}
const asked = () => new Promise((resolve) => process.stdin.once('data', resolve))
`
const folder = mkdtempSync(join(tmpdir(), 'coalmine-log-'))
const started: ChildProcess[] = []
let pipes = 0

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
})
afterAll(() => rmSync(folder, { recursive: true }))

function start(source: string): Pair {
  const path = join(folder, `${pipes++}`)
  execFileSync('mkfifo', [path])
  const reader = spawn('cat', [path], { stdio: ['ignore', 'pipe', 'inherit'] })
  // Opened when `cat` has it as well.
  const pipe = openSync(path, 'w')
  const program = spawn(process.execPath, ['--input-type=module', '--eval', IMPORTS + source], {
    stdio: ['pipe', 'pipe', pipe],
  })
  closeSync(pipe)
  started.push(reader, program)
  const answers = createInterface({ input: program.stdout! })[Symbol.asyncIterator]()
  const all = text(reader.stdout!)
  return {
    ...{ program, reader },
    said: async () => (await answers.next()).value!,
    logged: async () =>
      (await all)
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line)),
  }
}

test('a line is an object with the time, the level by name, the fields and the words', async () => {
  const { logged } = start(`
    const itself = { depth: 1n }
    itself.itself = itself
    log.warn('words', { model: 'churn', missing: undefined, itself })
    log.info('more')
    process.stdin.destroy()
  `)
  expect(await logged()).toEqual([
    {
      ...{
        level: 'warn',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        msg: 'words',
        model: 'churn',
      },
      // What JSON cannot say must not end the process that logs it.
      itself: expect.anything(),
    },
    { level: 'info', time: expect.any(String), msg: 'more' },
  ])
})

test('a reader that stands still holds nobody up: lines are dropped, counted, and told of', async () => {
  const { program, reader, said, logged } = start(`
    await asked()
    for (let turn = 0; turn < 50; turn++) {
      for (let i = 0; i < 100; i++) log.info('x'.repeat(1000))
      await new Promise((resolve) => setImmediate(resolve))
    }
    console.log(droppedLogLines())
    await asked()
    await logWritten()
    log.info('after')
    process.stdin.destroy()
  `)
  reader.kill('SIGSTOP')
  program.stdin!.write('go\n')
  const dropped = Number(await said())
  // A mebibyte may wait, besides what the pipe holds.
  expect(5_000 - dropped).toBeGreaterThan(900)
  expect(5_000 - dropped).toBeLessThan(1_200)
  reader.kill('SIGCONT')
  program.stdin!.write('go\n')
  const lines = await logged()
  expect(lines).toHaveLength(5_000 - dropped + 2)
  expect(lines.slice(-2)).toMatchObject([
    { level: 'warn', msg: 'lines of the log were dropped: nobody read it', lines: dropped },
    { level: 'info', msg: 'after' },
  ])
})

const FULL = `
  await asked()
  for (let i = 0; i < 500; i++) log.info('x'.repeat(1000))
  log.error('last')
  console.log('full')
`

test('a process ends although the reader of its log stands still', async () => {
  const { program, reader, said } = start(`${FULL}
    await logWritten()
    process.exit(3)
  `)
  reader.kill('SIGSTOP')
  program.stdin!.write('go\n')
  expect(await said()).toBe('full')
  expect(await once(program, 'exit')).toEqual([3, null])
})

test('what was logged before an exit is read by a reader that comes late', async () => {
  const { program, reader, said, logged } = start(`${FULL}
    await asked()
    await logWritten()
    process.exit(3)
  `)
  reader.kill('SIGSTOP')
  program.stdin!.write('go\n')
  expect(await said()).toBe('full')
  reader.kill('SIGCONT')
  program.stdin!.write('go\n')
  const lines = await logged()
  expect([lines.length, lines.at(-1)]).toEqual([
    501,
    expect.objectContaining({ level: 'error', msg: 'last' }),
  ])
})

test('a process that is started meanwhile and ends makes nobody wait', async () => {
  const { program, reader, said } = start(`
    import { spawnSync } from 'node:child_process'
    await asked()
    // Whoever is started with the pipe has it waiting for its reader, and so have all who share it.
    spawnSync(process.execPath, ['--eval', ''], { stdio: ['ignore', 'ignore', 'inherit'] })
    for (let i = 0; i < 200; i++) log.info('x'.repeat(1000))
    console.log('alive')
  `)
  reader.kill('SIGSTOP')
  program.stdin!.write('go\n')
  expect(await said()).toBe('alive')
})
