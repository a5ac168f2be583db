import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { DASHBOARDS } from '../../deploy/grafana/dashboards.ts'
import { grafanaOf } from '../../deploy/grafana/panel.ts'
import { freePorts, json, ROOT, until } from '../e2e/gateway-process.ts'
import { type Load, startLoad } from '../e2e/rollout-load.ts'
import { untilPhase } from '../e2e/rollout-record.ts'
import { type Stage, startStage } from '../stage/stage.ts'

const POLICY = `
steps:
  - { setWeight: 30, minDuration: 720h, proof: 0.9 }
risk: { falseRollback: 1%, falsePromotion: 20% }
guardrails:
  - { metric: error_rate, tolerate: 5pp, margin: 20pp, share: 0.5 }
  - metric: latency
    quantiles: [p50]
    tolerate: { relative: 100%, atLeast: 20ms }
    margin: { relative: 200%, atLeast: 60ms }
    share: 0.25
  - { metric: score_distribution, distance: ks, tolerate: 0.3, margin: 0.5, share: 0.25 }
progressDeadline: 2000h
`

const RULES = join(ROOT, 'deploy/prometheus/rules')
interface Rule {
  record?: string
  alert?: string
  expr: string
  annotations?: Record<string, string>
}
const rulesOf = (file: string): Rule[] =>
  parse(readFileSync(join(RULES, file), 'utf8')).groups.flatMap(({ rules }: { rules: Rule[] }) => rules)
const recording = rulesOf('recording.yml')
const alerts = rulesOf('alerts.yml')

test('the dashboards in the repository are those that their source gives', () => {
  for (const dashboard of DASHBOARDS) {
    const file = join(ROOT, 'deploy/grafana/dashboards', `${dashboard.uid}.json`)
    expect(JSON.parse(readFileSync(file, 'utf8')), 'node deploy/grafana/write.ts').toEqual(
      JSON.parse(JSON.stringify(grafanaOf(dashboard))),
    )
  }
})

test('each alert fires where it should and nowhere else', () => {
  const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', join(RULES, 'tests.yml')], {
    encoding: 'utf8',
  })
  expect([status, stdout + stderr]).toEqual([0, expect.stringContaining('SUCCESS')])
  const tested = readFileSync(join(RULES, 'tests.yml'), 'utf8')
  for (const { alert } of alerts) expect(tested).toContain(`alertname: ${alert}`)
})

test('each alert has a runbook', () => {
  const runbooks = readFileSync(join(ROOT, 'docs/operating.md'), 'utf8')
  for (const { alert, annotations } of alerts) {
    expect(annotations?.runbook_url).toBe(`docs/operating.md#${alert!.toLowerCase()}`)
    expect(runbooks).toContain(`### ${alert}\n`)
  }
})

describe('a real Prometheus before a gateway with a rollout', () => {
  let stage: Stage
  let load: Load
  let prometheus: ChildProcess
  let folder: string
  let url: string

  async function query(expr: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]> {
    const response = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query: expr })}`).catch(
      () => undefined,
    )
    if (response === undefined) return []
    const { status, error, data } = await json(response)
    expect(status, `${expr}: ${error}`).toBe('success')
    return data.result
  }
  const exists = async (expr: string) => (await query(expr)).length > 0

  beforeAll(async () => {
    stage = await startStage({ canary: '1.1.0', policy: POLICY })
    load = startLoad(stage.gateway)
    folder = mkdtempSync(join(tmpdir(), 'coalmine-prometheus-'))
    cpSync(RULES, join(folder, 'rules'), { recursive: true })
    const [port] = await freePorts(1)
    url = `http://127.0.0.1:${port}`
    writeFileSync(
      join(folder, 'prometheus.yml'),
      `global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [rules/recording.yml, rules/alerts.yml]
scrape_configs:
  - { job_name: coalmine-gateway, static_configs: [{ targets: ['127.0.0.1:${stage.gateway.ports.metrics}'] }] }
`,
    )
    prometheus = spawn(
      'prometheus',
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: 'ignore' },
    )
    await until(() => load.seen().answered > 200)
    await stage.startRollout('a rehearsal')
    await untilPhase(stage.gateway, 'stepping')
    await until(() => exists('coalmine_comparison_difference{comparison="score_distribution"}'))
    // Somebody asks for a version that there is not.
    await until(async () => {
      await stage.gateway.predict([], {}, '/v1/models/churn/versions/9.9.9:predict')
      return exists('coalmine_unrouted_total')
    })
    // Rates need two scrapes of what has moved.
    await until(() => exists('rate(coalmine_requests_total{arm="canary"}[5m]) > 0'))
    await until(() => exists('model:coalmine_client_error_ratio:rate1h'))
  })
  afterAll(async () => {
    prometheus?.kill('SIGTERM')
    await load?.stop()
    await stage?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const panels = DASHBOARDS.flatMap(({ uid, rows }) =>
    rows.flatMap((row) =>
      row.panels.flatMap((panel) =>
        Object.entries(panel.queries).map(([legend, expr]) => [uid, panel.title, legend, expr] as const),
      ),
    ),
  )
  test.each(panels)('%s, %s, %s has something to show', async (_uid, _title, _legend, expr) => {
    const filled = expr.replaceAll('$__rate_interval', '1m').replaceAll('$model', 'churn')
    await until(
      () => exists(filled),
      () => filled,
    )
  })

  test.each(recording.map(({ record, expr }) => [record!, expr]))('%s is recorded', async (record, expr) => {
    await until(
      () => exists(record),
      () => expr,
    )
  })

  test.each(alerts.map(({ alert, expr }) => [alert!, expr]))(
    '%s asks for series that there are',
    async (alert, expr) => {
      const metrics = new Set(expr.match(/\b(?:[a-z_]+:)?(?:coalmine_\w+|up)(?::\w+)?\b/g))
      expect(metrics.size, alert).toBeGreaterThan(0)
      for (const metric of metrics)
        await until(
          () => exists(metric),
          () => metric,
        )
      // And nothing is wrong here, so that none is there by mistake.
      expect(await query(`ALERTS{alertname="${alert}", alertstate="firing"}`)).toEqual([])
    },
  )
})
