import { z } from 'zod'
import { gatewaySchema } from './gateway-schema.ts'

/** The text of `config/gateway.schema.json`: what editors complete and check `gateway.yaml` with. */
export function gatewayJsonSchema(): string {
  // Draft 7 is what the YAML language server reads in full.
  const schema = z.toJSONSchema(gatewaySchema, { io: 'input', target: 'draft-7' })
  return `${JSON.stringify(schema, null, 2)}\n`
}
