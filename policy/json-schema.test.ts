import { expect, test } from 'vitest'
import { policyJsonSchema } from './json-schema.ts'

test('config/policy.schema.json is what the schema says (renew it with: npx vitest run policy -u)', async () => {
  await expect(policyJsonSchema()).toMatchFileSnapshot('../config/policy.schema.json')
})

test('every field is described', () => {
  const undescribed: string[] = []
  const visit = (schema: Record<string, unknown>, path: string) => {
    for (const [key, inner] of Object.entries(schema)) {
      if (typeof inner !== 'object' || inner === null) continue
      // What may stand in sessionAffinity is described with it, and a name says what it is.
      if (key === 'properties' && !path.includes('sessionAffinity'))
        for (const [field, of] of Object.entries(inner))
          if (typeof of.description !== 'string') undescribed.push(`${path}.${field}`)
      visit(inner as Record<string, unknown>, `${path}.${key}`)
    }
  }
  visit(JSON.parse(policyJsonSchema()), '')
  expect(undescribed).toEqual([])
})
