import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { environmentToken } from '../../config/access-schema.ts'
import { Guard } from './access.ts'
import { adminApp } from './app.ts'
import { STATUS } from './problem.ts'
import { mayAct } from './role.ts'
import { admin } from './testing/admin.ts'

interface Operation {
  readonly summary: string
  readonly description?: string
  readonly tags: readonly string[]
  readonly parameters?: readonly {
    name: string
    in: string
    required?: boolean
    schema: { example?: unknown }
  }[]
  readonly requestBody?: { readonly content: Record<string, { schema: unknown }> }
  readonly responses: Record<string, { description: string; content?: Record<string, { schema?: unknown }> }>
}

const TOKENS = { viewer: 'the-token-of-a-viewer', operator: 'the-token-of-an-operator' }

let api: Awaited<ReturnType<typeof admin>>
// biome-ignore lint/suspicious/noExplicitAny: a document as it comes
let document: any
/** The same API for a viewer and an operator. */
let guarded: ReturnType<typeof adminApp>
let operations: { method: string; path: string; operation: Operation }[]

beforeAll(async () => {
  api = await admin()
  const { deps } = api
  const tokens = (['viewer', 'operator'] as const).map((role) => ({
    ...environmentToken(TOKENS[role]),
    role,
  }))
  guarded = adminApp({ ...deps, guard: new Guard({ tokens, hosts: [] }) })
  document = (await api.call('GET', '/api/openapi.json')).body
  operations = Object.entries(document.paths as Record<string, Record<string, Operation>>).flatMap(
    ([path, of]) => Object.entries(of).map(([method, operation]) => ({ method, path, operation })),
  )
})
afterAll(() => api.close())

/** Every `$ref` of the document. */
function refs(node: unknown): string[] {
  if (typeof node !== 'object' || node === null) return []
  return Object.entries(node).flatMap(([key, value]) => (key === '$ref' ? [String(value)] : refs(value)))
}

describe('the description of the API', () => {
  test('is docs/openapi/admin.json (renew it with: npx vitest run --project unit gateway/control/admin/openapi.test.ts -u)', async () => {
    const answer = await guarded.request('http://x/api/openapi.json')
    const text = `${JSON.stringify(await answer.json(), null, 2)}\n`
    await expect(text).toMatchFileSnapshot('../../../docs/openapi/admin.json')
  })

  test('has an example for everything that a path or a change needs', () => {
    // biome-ignore lint/suspicious/noExplicitAny: a document as it comes
    const schema = (node: any): any =>
      node.$ref ? document.components.schemas[node.$ref.split('/').at(-1)] : node
    const bare: string[] = []
    for (const { method, path, operation } of operations) {
      for (const { name, required, schema: of } of operation.parameters ?? [])
        if (required && of.example === undefined) bare.push(`${method} ${path} ${name}`)
      const body = schema(operation.requestBody?.content['application/json']?.schema ?? {})
      for (const name of body.required ?? [])
        if (schema(body.properties[name]).example === undefined) bare.push(`${method} ${path} body ${name}`)
    }
    expect(bare).toEqual([])
  })

  test('names only what it holds', () => {
    const held = (ref: string) =>
      ref
        .replace(/^#\//, '')
        .split('/')
        .reduce((node, key) => node?.[key], document)
    expect(refs(document).filter((ref) => held(ref) === undefined)).toEqual([])
    expect(refs(document).length).toBeGreaterThan(20)
  })

  test('says of each route what it is for, what it takes and what it gives', () => {
    for (const { method, path, operation } of operations) {
      const where = `${method} ${path}`
      expect(operation.summary, where).toMatch(/\w/)
      expect(operation.tags, where).toHaveLength(1)
      const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
      const given = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path')
      expect(
        given.map(({ name }) => name),
        where,
      ).toEqual(named)
      expect(
        given.every(({ required }) => required),
        where,
      ).toBe(true)
      expect(operation.requestBody !== undefined, where).toBe(method !== 'get')
      const answers = Object.entries(operation.responses)
      expect(answers[0]![0], where).toMatch(/^20[01]$/)
      for (const [status, { description, content }] of answers) {
        expect(description, `${where} ${status}`).toMatch(/\w/)
        expect(Object.values(content!)[0]!.schema, `${where} ${status}`).toBeDefined()
      }
    }
  })

  test('has each code at its own status, and all of them in the enum', () => {
    const codes = document.components.schemas.Problem.properties.code.enum as (keyof typeof STATUS)[]
    expect(codes.toSorted()).toEqual(Object.keys(STATUS).toSorted())
    const documented = new Set<string>()
    for (const { operation } of operations)
      for (const [status, { description, content }] of Object.entries(operation.responses)) {
        if (!content?.['application/problem+json']) continue
        for (const [, code] of description.matchAll(/`([a-z-]+)`/g)) {
          documented.add(code!)
          expect(STATUS[code as keyof typeof STATUS], code).toBe(Number(status))
        }
      }
    // Of what is no route, of what only the file asks for, and of a rollout that is over and stored all the same.
    const never = ['not-found', 'method-not-allowed', 'already-deployed', 'needs-restart', 'finished']
    expect(codes.filter((code) => !documented.has(code)).toSorted()).toEqual(never.toSorted())
  })

  test('says of each route who may, and the routes hold to it', async () => {
    const admins = ['PUT /api/v1/freeze', 'PUT /api/v1/models/{model}/stable']
    for (const { method, path, operation } of operations) {
      const where = `${method.toUpperCase()} ${path}`
      const needed = method === 'get' ? 'viewer' : admins.includes(where) ? 'admin' : 'operator'
      expect(operation.description, where).toContain(`Role: ${needed}.`)
      for (const role of ['viewer', 'operator'] as const) {
        const concrete = path.replaceAll(/\{\w+\}/g, '1')
        // HEAD of what is read, as the events have no end.
        const answer = await guarded.request(`http://x${concrete}`, {
          method: method === 'get' ? 'HEAD' : method,
          headers: { authorization: `Bearer ${TOKENS[role]}`, 'content-type': 'application/json' },
        })
        expect(answer.status === 403, `${where} as ${role}`).toBe(!mayAct(role, needed))
      }
    }
  })

  test('has every route of the operator', () => {
    expect(
      operations.map(({ method, path }) => `${method.toUpperCase()} ${path.slice(7)}`).toSorted(),
    ).toEqual([
      'GET /configuration',
      'GET /events',
      'GET /freeze',
      'GET /me',
      'GET /models',
      'GET /models/{model}',
      'GET /models/{model}/decisions',
      'GET /models/{model}/decisions/{id}',
      'GET /models/{model}/rollout',
      'GET /models/{model}/rollout/charts',
      'GET /models/{model}/rollouts',
      'GET /models/{model}/rollouts/{serial}',
      'GET /models/{model}/versions/{version}',
      'GET /models/{model}/versions/{version}/drift',
      'GET /policies',
      'POST /models/{model}/rollback',
      'POST /models/{model}/rollout',
      'POST /models/{model}/rollout/abort',
      'POST /models/{model}/rollout/advance',
      'POST /models/{model}/rollout/approve',
      'POST /models/{model}/rollout/pause',
      'POST /models/{model}/rollout/promote',
      'POST /models/{model}/rollout/restart',
      'POST /models/{model}/rollout/resume',
      'POST /models/{model}/rollout/retry',
      'POST /models/{model}/versions/{version}/try',
      'PUT /freeze',
      'PUT /models/{model}/rollout/weight',
      'PUT /models/{model}/stable',
    ])
  })
})
