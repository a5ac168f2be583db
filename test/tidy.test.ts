import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const WORKSPACES = ['core', 'contract', 'policy', 'worker', 'gateway', 'cli'] as const
type Workspace = (typeof WORKSPACES)[number]

/** What each workspace may import of ours. */
const MAY_IMPORT: Record<Workspace, readonly Workspace[]> = {
  core: [],
  contract: [],
  // Policy files become the core's policies here and not in the contract, which workers share: a worker needs no core.
  policy: ['contract', 'core'],
  worker: ['contract'],
  gateway: ['contract', 'core', 'policy'],
  // Batch prediction is the worker's work without a server.
  cli: ['contract', 'core', 'policy', 'worker'],
}

interface Source {
  path: string
  text: string
  imports: string[]
}

const sources = tracked('*.ts')
  .filter((path) => WORKSPACES.some((workspace) => path.startsWith(`${workspace}/`)))
  .map((path): Source => {
    const text = readFileSync(join(ROOT, path), 'utf8')
    return { path, text, imports: specifiers(text) }
  })
const product = sources.filter(({ path }) => !/\.test\.ts$|\/testing\/|\/conformance\.ts$/.test(path))

function tracked(pattern: string): string[] {
  const list = (...flags: string[]) =>
    execFileSync('git', ['ls-files', ...flags, pattern], { cwd: ROOT, encoding: 'utf8' }).split('\n')
  const found = new Set([...list(), ...list('--others', '--exclude-standard')])
  return [...found].filter((path) => path !== '' && existsSync(join(ROOT, path)))
}

function specifiers(text: string): string[] {
  const found = text.matchAll(
    /^\s*(?:import|export)\b[^'"]*?from\s+'([^']+)'|^\s*import\s+'([^']+)'|\bimport\('([^']+)'\)/gm,
  )
  return [...found].map((match) => match[1] ?? match[2] ?? match[3]!)
}

function workspaceOf(path: string): Workspace {
  return path.split('/')[0] as Workspace
}

/** The file an import names, or nothing for a package of somebody else. */
function target(source: Source, specifier: string): string | undefined {
  if (specifier.startsWith('.')) return relative(ROOT, join(ROOT, dirname(source.path), specifier))
  return /^@coalmine\/(.+)$/.exec(specifier)?.[1]
}

test('imports between workspaces run one way', () => {
  const wrong = sources.flatMap((source) =>
    source.imports.flatMap((specifier) => {
      const to = target(source, specifier)
      if (to === undefined) return []
      const [from, into] = [workspaceOf(source.path), workspaceOf(to)]
      return from === into || MAY_IMPORT[from].includes(into) ? [] : [`${source.path} imports ${specifier}`]
    }),
  )
  expect(wrong).toEqual([])
})

test('another workspace is imported by its name, not by a path', () => {
  const wrong = sources.flatMap((source) =>
    source.imports
      .filter(
        (specifier) =>
          specifier.startsWith('.') && workspaceOf(target(source, specifier)!) !== workspaceOf(source.path),
      )
      .map((specifier) => `${source.path} imports ${specifier}`),
  )
  expect(wrong).toEqual([])
})

test('no import cycles', () => {
  // A type imported alone is gone at run time; it may point back.
  const erased = /^import type\b[^'"]*?from\s+'[^']+'$/gm
  const edges = new Map(
    product.map((source) => [
      source.path,
      specifiers(source.text.replace(erased, ''))
        .map((s) => target(source, s))
        .filter((t) => t !== undefined),
    ]),
  )
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (path: string, trail: string[]) => {
    if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '))
    if (done.has(path) || trail.includes(path)) return
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path])
    done.add(path)
  }
  for (const path of edges.keys()) visit(path, [])
  expect(cycles).toEqual([])
})

test('the core imports nothing but itself', () => {
  const wrong = product
    .filter(({ path }) => workspaceOf(path) === 'core')
    .flatMap((source) =>
      source.imports.filter((s) => !s.startsWith('.')).map((s) => `${source.path} imports ${s}`),
    )
  expect(wrong).toEqual([])
})

test('the core has no clock, no dice, no environment and no output', () => {
  const impure =
    /\bDate\.now\b|\bnew Date\b|\bperformance\b|\bMath\.random\b|\bprocess\.|\bglobalThis\b|\bcrypto\b|\bconsole\.|\bset(?:Timeout|Interval|Immediate)\b|\bfetch\(/
  const code = (text: string) => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
  const wrong = product
    .filter(({ path, text }) => workspaceOf(path) === 'core' && impure.test(code(text)))
    .map(({ path }) => path)
  expect(wrong).toEqual([])
})

test('no workspace uses a package that it does not declare', () => {
  const wrong = product.flatMap((source) => {
    const manifest = JSON.parse(readFileSync(join(ROOT, workspaceOf(source.path), 'package.json'), 'utf8'))
    const declared = Object.keys(manifest.dependencies ?? {})
    return source.imports
      .filter((s) => !s.startsWith('.') && !s.startsWith('node:'))
      .map((s) =>
        s
          .split('/')
          .slice(0, s.startsWith('@') ? 2 : 1)
          .join('/'),
      )
      .filter((name) => name !== `@coalmine/${workspaceOf(source.path)}` && !declared.includes(name))
      .map((name) => `${source.path} imports ${name}`)
  })
  expect(wrong).toEqual([])
})

test('no file has a name that says nothing', () => {
  const vague = /(^|\/)(utils?|helpers?|common|types|manager|impl|misc)\b[^/]*$/
  expect(sources.map(({ path }) => path).filter((path) => vague.test(path))).toEqual([])
})
