import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const CORE = dirname(fileURLToPath(import.meta.url))
const sources = readdirSync(CORE, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.includes('node_modules'))
  .map((name) => ({ name, text: readFileSync(join(CORE, name), 'utf8') }))

test('the core imports only the core', () => {
  const foreign = sources.flatMap(({ name, text }) =>
    [...text.matchAll(/\b(?:from|import)\s*\(?\s*'([^']+)'/g)]
      .map(([, specifier]) => specifier!)
      .filter((to) => !to.startsWith('.') || !resolve(CORE, dirname(name), to).startsWith(`${CORE}/`))
      .map((to) => `${name} imports ${to}`),
  )
  expect(sources.length).toBeGreaterThan(0)
  expect(foreign).toEqual([])
})

test('the core has no clock, no dice, no environment and no console', () => {
  const impure =
    /Date\.now|new Date|performance\.|Math\.random|crypto\.|process\.|console\.|setTimeout|setInterval|fetch\(/
  expect(sources.filter(({ text }) => impure.test(text)).map(({ name }) => name)).toEqual([])
})
