import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const CONFIG = join(import.meta.dirname, '../../deploy/prometheus/prometheus.yml')
const promtool = (...args: string[]) => spawnSync('promtool', args, { encoding: 'utf8' })
const missing = promtool('--version').error !== undefined

if (missing) console.warn('promtool is missing, so prometheus.yml is not checked: apt-get install prometheus')

test.skipIf(missing)('Prometheus accepts its configuration', () => {
  const { status, stdout, stderr } = promtool('check', 'config', CONFIG)
  expect([status, stdout + stderr]).toEqual([0, expect.stringContaining('SUCCESS')])
})
