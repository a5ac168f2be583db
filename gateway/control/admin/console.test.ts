import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Hono } from 'hono'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { consoleFiles } from './console.ts'

const SCRIPT = 'let it = "be long";\n'.repeat(1_000)
const folder = mkdtempSync(join(tmpdir(), 'coalmine-console-'))
const app = new Hono()

beforeAll(() => {
  mkdirSync(join(folder, 'dist/assets'), { recursive: true })
  writeFileSync(join(folder, 'dist/index.html'), '<!doctype html>')
  writeFileSync(join(folder, 'dist/assets/index-1.js'), SCRIPT)
  writeFileSync(join(folder, 'secret.js'), 'not for you')
  consoleFiles(app, join(folder, 'dist'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const get = async (path: string, headers: Record<string, string> = {}) => app.request(path, { headers })

test('the page is asked for anew each time, its parts never again, nothing from elsewhere', async () => {
  const page = await get('/console/')
  expect(await page.text()).toBe('<!doctype html>')
  expect(page.headers.get('cache-control')).toBe('no-cache')
  expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'/)
  const script = await get('/console/assets/index-1.js')
  expect(script.headers.get('cache-control')).toMatch(/immutable/)
  expect(await script.text()).toBe(SCRIPT)
})

test('its parts travel compressed for whoever takes them so', async () => {
  const script = await get('/console/assets/index-1.js', { 'accept-encoding': 'br, gzip' })
  expect(script.headers.get('content-encoding')).toBe('gzip')
  expect(script.headers.get('vary')).toMatch(/accept-encoding/i)
  expect(script.headers.get('content-type')).toMatch(/^text\/javascript/)
  expect(gunzipSync(await script.arrayBuffer()).toString()).toBe(SCRIPT)
})

test.each(['/console/..%2Fsecret.js', '/console/assets/none.js', '/console/assets'])(
  'what is not in its folder is not there: %s',
  async (path) => {
    expect((await get(path)).status).toBe(404)
  },
)
