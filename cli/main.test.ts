import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

function coalmine(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['cli/main.ts', ...args], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

test('policy lint: the policies that come with the product are good', () => {
  expect(coalmine('policy', 'lint')).toEqual({
    status: 0,
    stdout: expect.stringMatching(/^config\/policies\/churn\.yaml: steps 5 % for 2 min, .*\n$/),
    stderr: '',
  })
})

test('policy lint: problems are written to the error output, and the exit code is 1', () => {
  expect(coalmine('policy', 'lint', 'config/gateway.yaml')).toEqual({
    status: 1,
    stdout: '',
    stderr: expect.stringContaining('config/gateway.yaml:6:1: listen: expected one of the keys steps, risk'),
  })
})

test('help, and what is no command', () => {
  const help = expect.stringContaining('policy lint [FILE...]')
  expect(coalmine('--help')).toEqual({ status: 0, stdout: help, stderr: '' })
  expect(coalmine('policy', 'lnt')).toMatchObject({ status: 2, stderr: help })
  expect(coalmine('--hlep')).toMatchObject({ status: 2, stderr: help })
})
