import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Gateway, ROOT, until } from './gateway-process.ts'
import { type Load, startLoad } from './rollout-load.ts'
import { untilPhase } from './rollout-record.ts'

const POLICY = `
steps:
  - { setWeight: 20, minDuration: 720h, proof: 0.5 }
risk: { falseRollback: 1%, falsePromotion: 5% }
guardrails:
  - { metric: error_rate, tolerate: 20pp, margin: 30pp, share: 1 }
progressDeadline: 2000h
`
const COALMINE = join(ROOT, 'cli/main.ts')

let gateway: Gateway
let load: Load

type Command = ChildProcess & {
  /** What it has printed. */
  text(): string
  /** Its exit code, first. */
  ended: Promise<unknown[]>
}

interface Ended {
  status: number | null
  stdout: string
  stderr: string
}

function env(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  return {
    ...process.env,
    COALMINE_URL: `http://127.0.0.1:${gateway.ports.admin}`,
    ...more,
  }
}

/** The command in a pipe. */
function started(args: string[], more?: Record<string, string>): Command {
  const child = spawn(process.execPath, [COALMINE, ...args], {
    env: env(more),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  child.stdout!.on('data', (chunk) => (text += chunk))
  return Object.assign(child, { text: () => text, ended: once(child, 'close') })
}

async function coalmine(args: string, more?: Record<string, string>): Promise<Ended> {
  const child = started(words(args), more)
  let stderr = ''
  child.stderr!.on('data', (chunk) => (stderr += chunk))
  const [status] = (await child.ended) as [number | null]
  return { status, stdout: child.text(), stderr }
}

/** Split at spaces; what is in quotes stays together. */
function words(args: string): string[] {
  return [...args.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!)
}

/** The command in a pseudo-terminal of util-linux's `script`, so wide and high. */
function inTerminal(args: string): Command {
  const command = `stty cols 120 rows 40; exec ${process.execPath} ${COALMINE} ${args}`
  const child = spawn('script', ['-qefc', command, '/dev/null'], {
    env: env(),
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let text = ''
  child.stdout!.on('data', (chunk) => (text += chunk))
  return Object.assign(child, { text: () => text, ended: once(child, 'close') })
}

beforeAll(async () => {
  gateway = await Gateway.start({
    models: '  churn: { initial: 1.0.0, policy: none, runtime: process }',
    policies: { slow: POLICY },
  })
  load = startLoad(gateway)
})
afterAll(async () => {
  await load?.stop()
  await gateway?.dispose()
})

describe('an operator at a gateway that runs', () => {
  test('status: all models, one model, as JSON; never a colour in a pipe', async () => {
    const all = await coalmine('status')
    expect(all).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/churn +1\.0\.0 .*1\/1 healthy +✔ steady/),
    })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: an escape is what is looked for
    expect(all.stdout).not.toMatch(/\x1b/)
    const one = await coalmine('status churn')
    expect(one.stdout).toMatch(/stable +1\.0\.0[\s\S]*endpoint[\s\S]*1\.1\.0 +available/)
    expect(JSON.parse((await coalmine('status churn --json')).stdout)).toMatchObject({
      model: 'churn',
      stable: { version: '1.0.0' },
    })
  })

  test('status says why a configuration is refused, until it is mended', async () => {
    gateway.writePolicy('slow', POLICY.replace('tolerate', 'tolerat'))
    await until(async () => /is refused, .*: .*slow\.yaml.*tolerat/.test((await coalmine('status')).stdout))
    expect(JSON.parse((await coalmine('status --json')).stdout).configuration).toMatchObject({
      ...{ inForce: false, problem: expect.stringContaining('tolerat') },
    })
    gateway.writePolicy('slow', POLICY)
    await until(async () => !(await coalmine('status')).stdout.includes('is refused'))
  })

  test('no such model: the sentence of the gateway', async () => {
    expect(await coalmine('status nothing')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("'nothing'"),
    })
  })

  test('plan, and a dry run: how long it would take, and why it would be refused', async () => {
    const plan = await coalmine('plan churn --canary 1.1.0 --policy slow')
    expect(plan.stdout).toMatch(/step +weight +begins after/)
    const dry = await coalmine(
      'rollout start churn --canary 1.1.0 --policy nothing --reason "to see" --dry-run',
    )
    expect(dry.status).not.toBe(0)
  })

  test('start, status, decisions', async () => {
    const start = await coalmine(
      'rollout start churn --canary 1.1.0 --policy slow --reason "better recall" --force',
    )
    expect(start).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('rollout watch churn'),
      stderr: '',
    })
    await untilPhase(gateway, 'stepping')
    const { stdout } = await coalmine('status churn')
    expect(stdout).toMatch(
      /rollout 1: 1\.1\.0 beside 1\.0\.0, by policy slow[\s\S]*stepping at step 1 of 1 \(20 %\)/,
    )
    const record = (await coalmine('decisions churn')).stdout
    expect(record).toMatch(/rollout-started +operator .*better recall/)
    expect(record).toMatch(/begun +controller .*1\.1\.0 is ready and gets 20 %/)
  })

  test('a second start is refused with what would work', async () => {
    const again = await coalmine('rollout start churn --canary 1.1.0 --policy slow --reason again')
    expect(again).toMatchObject({ status: 1, stderr: expect.stringMatching(/^coalmine: .+: --supersede$/m) })
  })

  test('weight pauses, resume goes on, and the reason is in the record', async () => {
    expect((await coalmine('weight churn 2 --reason care')).stdout).toMatch(
      /paused[\s\S]*canary +1\.1\.0 +2 %/,
    )
    expect((await coalmine('rollout resume churn --reason "the night is over"')).stdout).toContain('stepping')
    expect((await coalmine('decisions churn --limit 1')).stdout).toContain('the night is over')
  })

  test('promote asks first; where nobody can be asked it has to be said', async () => {
    const refused = await coalmine('rollout promote churn --reason hurry')
    expect(refused).toMatchObject({ status: 2, stderr: expect.stringContaining('--yes') })
    const asked = inTerminal('rollout promote churn --reason hurry')
    await until(() => asked.text().includes('[y/N]'))
    asked.stdin!.write('n\n')
    await asked.ended
    expect(asked.text()).toContain('nothing was changed')
    expect((await gateway.model()).rollout).not.toBeNull()
  })

  test('replay: a decision by evidence, online and from a file', async () => {
    const { decisions } = JSON.parse((await coalmine('decisions churn --json --limit 100')).stdout)
    const proven = decisions.find(({ actor }: { actor: string }) => actor === 'controller')
    expect((await coalmine(`replay churn ${proven.id}`)).stdout).toContain('the same')
    const file = join(gateway.folder, 'decision.json')
    writeFileSync(file, (await coalmine(`decisions churn ${proven.id} --json`)).stdout)
    expect(await coalmine(`replay --file ${file}`)).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('the same'),
    })
    const byPerson = decisions.find(({ actor }: { actor: string }) => actor === 'operator')
    expect(await coalmine(`replay churn ${byPerson.id}`)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('operator'),
    })
  })

  test('watch: drawn in place on a terminal, a line for each decision in a pipe; across a restart of control; 10 after a rollback', async () => {
    const drawn = inTerminal('rollout watch churn')
    const piped = started(['rollout', 'watch', 'churn'])
    const asJson = started(['rollout', 'watch', 'churn', '--json'])
    await until(() => [drawn, piped, asJson].every((watch) => watch.text().includes('stepping')))
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is how a cursor goes up
    await until(() => /\x1b\[\d+A/.test(drawn.text()))
    const [control] = gateway.children('control/main.ts')
    process.kill(control!, 'SIGKILL')
    await until(() => drawn.text().includes('waiting for it'))
    await until(() => gateway.children('control/main.ts').length === 1)
    await until(async () => (await coalmine('rollout pause churn --reason "a look"')).status === 0)
    await until(
      () => piped.text().includes('paused by operator: a look'),
      () => `${piped.text()} ${piped.exitCode}`,
    )
    expect((await coalmine('rollback churn --reason complaints')).status).toBe(0)
    const codes = await Promise.all([drawn, piped, asJson].map(async ({ ended }) => (await ended)[0]))
    expect(codes).toEqual([10, 10, 10])
    expect(drawn.text()).toMatch(/rolled back/)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: an escape is what is looked for
    expect(piped.text()).not.toMatch(/\x1b/)
    const [watched, paused] = asJson
      .text()
      .split('\n')
      .map((line) => (line.startsWith('{"') ? JSON.parse(line) : {}))
    expect([watched.kind, paused.kind]).toEqual(['watched', 'paused'])
  })

  test('watch without a rollout says so, and what came of the last one', async () => {
    expect(await coalmine('rollout watch churn')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('rolled back'),
    })
  })

  test('freeze on and off', async () => {
    expect((await coalmine('freeze --reason incident')).stdout).toContain('brake is on')
    expect((await coalmine('status')).stdout).toContain('frozen')
    expect((await coalmine('freeze off --reason over')).stdout).toContain('brake is off')
  })

  test('stable: an emergency', async () => {
    expect((await coalmine('stable churn 1.1.0 --yes --reason emergency')).stdout).toMatch(/stable +1\.1\.0/)
  })

  test('state reset of a gateway that runs is refused', async () => {
    const { status, stderr } = await coalmine(`state reset --yes --config ${gateway.configFile}`)
    expect([status, stderr]).toEqual([1, expect.stringContaining('stop it first')])
  })
})

test('a gateway with a token: a wrong one is refused with how to give the right one, and none is ever shown', async () => {
  const token = 'a-token-of-32-characters-for-test'
  const locked = await Gateway.start({
    models: '  digits: { initial: 1.0.0, runtime: process }',
    env: { COALMINE_ADMIN_TOKEN: token },
  })
  try {
    const address = { COALMINE_URL: `http://127.0.0.1:${locked.ports.admin}` }
    const { status, stderr } = await coalmine('status', { ...address, COALMINE_TOKEN: 'wrong-wrong-wrong' })
    expect([status, stderr]).toEqual([1, expect.stringContaining('COALMINE_TOKEN')])
    expect(stderr).not.toContain('wrong-wrong')
    expect((await coalmine('status', { ...address, COALMINE_TOKEN: token })).status).toBe(0)
    const file = join(locked.folder, 'token')
    writeFileSync(file, `${token}\n`)
    expect((await coalmine(`status --token-file ${file}`, address)).status).toBe(0)
  } finally {
    await locked.dispose()
  }
})
