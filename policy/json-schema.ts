import { z } from 'zod'
import { policySchema } from './policy-schema.ts'

/** The text of `config/policy.schema.json`: what editors complete and check `policies/*.yaml` with. */
export function policyJsonSchema(): string {
  // Draft 7 is what the YAML language server reads in full.
  const schema = z.toJSONSchema(policySchema, { io: 'input', target: 'draft-7' })
  return `${JSON.stringify(schema, null, 2)}\n`
}
