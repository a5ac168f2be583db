import { expect, test } from 'vitest'
import { gatewayJsonSchema } from './json-schema.ts'

test('config/gateway.schema.json is what the schema says (renew it with: npx vitest run -u gateway/config)', async () => {
  await expect(gatewayJsonSchema()).toMatchFileSnapshot('../../config/gateway.schema.json')
})
