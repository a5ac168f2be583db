import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DCLinter } from 'dclint'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { readComposeFile } from './compose-file.ts'
import { readDockerfile, stepsOf } from './dockerfile.ts'

const ROOT = join(import.meta.dirname, '../..')
const text = readFileSync(join(ROOT, 'compose.yaml'), 'utf8')
const { services, networks, volumes } = readComposeFile(ROOT)
const all = Object.entries(services)
const ours = all.filter(([, service]) => service.build)

interface Message {
  rule: string
  type: string
  message: string
}

/** Checks against the Compose specification's JSON Schema, which the linter carries, and the linter's rules. */
const linter = new DCLinter({
  // Its order of keys knows neither merged keys nor our grouping of what belongs together.
  rules: { 'service-keys-order': 0 },
  quiet: false,
  debug: false,
  exclude: [],
})

describe('the Compose specification', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'coalmine-compose-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const messages = (composeText: string): Message[] => {
    const path = join(folder, 'compose.yaml')
    writeFileSync(path, composeText)
    return linter.lintFiles([path], false).flatMap((result: { messages: Message[] }) => result.messages)
  }

  test('knows everything that compose.yaml says', () => {
    expect(messages(text)).toEqual([])
  })

  test('refuses a misspelt key', () => {
    const [message] = messages(text.replace('start_interval:', 'start_intervall:'))
    expect(message).toMatchObject({ rule: 'invalid-schema', type: 'error' })
    expect(message!.message).toContain('additional properties')
  })

  test('refuses an image without a version', () => {
    const rules = messages(text.replace(/prom\/prometheus:\S+/, 'prom/prometheus')).map(({ rule }) => rule)
    expect(rules).toEqual(['service-image-require-explicit-tag'])
  })
})

describe.each(all)('%s', (_, service) => {
  test('may change nothing but its volumes and /tmp', () => {
    expect(service).toMatchObject({ read_only: true, tmpfs: ['/tmp:size=16m'] })
    for (const volume of service.volumes ?? []) {
      const [source, , mode] = volume.split(':')
      if (source!.startsWith('.')) expect([existsSync(join(ROOT, source!)), mode]).toEqual([true, 'ro'])
      else expect(volumes).toHaveProperty(source!)
    }
  })

  test('has no privileges to gain', () => {
    expect(service).toMatchObject({ cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'], init: true })
  })

  test('can exhaust neither memory, processes nor the disk', () => {
    const { cpus, memory, pids } = service.deploy!.resources.limits
    expect([Number(cpus) > 0, /^\d+[MG]$/.test(memory), pids > 0]).toEqual([true, true, true])
    expect(service.logging).toEqual({ driver: 'json-file', options: { 'max-size': '10m', 'max-file': '3' } })
  })

  test('is reachable from this machine only', () => {
    for (const port of service.ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/)
  })

  test('says whether it is healthy', () => {
    expect(service.healthcheck?.test[0]).toBe('CMD')
  })
})

describe.each(ours)('%s', (_, service) => {
  test('is asked what its image asks', () => {
    const stages = readDockerfile(join(ROOT, service.build!.dockerfile))
    const stage = stages.find(({ name }) => name === service.build!.target) ?? stages.at(-1)!
    expect(service.healthcheck!.test.slice(1)).toEqual(stepsOf(stage, 'HEALTHCHECK')[0]!.words)
  })
})

describe('the workers', () => {
  const workers = all.filter(([, { build }]) => build?.dockerfile === 'worker/Dockerfile')

  test('are one container for each version of churn, and one more for the baseline', () => {
    expect(workers.map(([, { environment }]) => environment)).toEqual([
      { COALMINE_WORKER_MODEL: 'churn', COALMINE_WORKER_VERSION: '1.0.0' },
      { COALMINE_WORKER_MODEL: 'churn', COALMINE_WORKER_VERSION: '1.0.0' },
      { COALMINE_WORKER_MODEL: 'churn', COALMINE_WORKER_VERSION: '1.1.0' },
    ])
  })

  test('reach nothing outside', () => {
    for (const [, worker] of workers) {
      expect(worker.networks).toEqual(['backend'])
      expect(worker.ports).toBeUndefined()
    }
    expect(networks.backend).toEqual({ internal: true })
  })

  test('are where the gateway and Prometheus look for them', () => {
    const origins = workers.map(([name]) => `${name}:9000`)
    const gateway = parse(readFileSync(join(ROOT, 'deploy/compose/gateway.yaml'), 'utf8'))
    const { static: endpoints, baseline } = gateway.models.churn.runtime
    const addresses = Object.entries({ ...endpoints, baseline: baseline['1.0.0'] })
    expect(addresses.flatMap(([, urls]) => urls).toSorted()).toEqual(
      origins.map((origin) => `http://${origin}`).toSorted(),
    )
    expect(endpoints).toMatchObject({
      '1.0.0': ['http://churn-100:9000'],
      '1.1.0': ['http://churn-110:9000'],
    })
    const prometheus: { scrape_configs: { static_configs: { targets: string[] }[] }[] } = parse(
      readFileSync(join(ROOT, 'deploy/prometheus/prometheus.yml'), 'utf8'),
    )
    const targets = prometheus.scrape_configs
      .flatMap((job) => job.static_configs)
      .flatMap((each) => each.targets)
    expect(targets).toEqual(['gateway:8091', ...origins])
  })
})

describe('the gateway', () => {
  const { gateway } = services

  test('waits for the stable worker to be healthy, and for the canary only to be started', () => {
    expect(gateway!.depends_on).toEqual({
      'churn-100': { condition: 'service_healthy' },
      'churn-100-baseline': { condition: 'service_started' },
      'churn-110': { condition: 'service_started' },
    })
  })

  test('judges by the policy of config/policies', () => {
    const rules = (file: string) => parse(readFileSync(join(ROOT, file), 'utf8'))
    expect(rules('deploy/compose/policies/churn.yaml')).toEqual(rules('config/policies/churn.yaml'))
  })

  test('does not start without an admin token', () => {
    expect(gateway!.environment!.COALMINE_ADMIN_TOKEN).toMatch(/^\$\{COALMINE_ADMIN_TOKEN:\?.+\}$/)
    expect(readFileSync(join(ROOT, '.env.example'), 'utf8')).toMatch(/^COALMINE_ADMIN_TOKEN=$/m)
  })

  test('keeps its state on a volume and sees edits of its configuration', () => {
    expect(gateway!.volumes).toEqual(['./deploy/compose:/app/config:ro', 'gateway-data:/data'])
  })

  test('has longer to stop than it takes to answer what it has', () => {
    expect(Number.parseInt(gateway!.stop_grace_period!, 10)).toBeGreaterThan(30)
  })
})
