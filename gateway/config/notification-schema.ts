import { modelName } from '@coalmine/contract/names.ts'
import { z } from 'zod'
import { FORMATS } from '../notifications/message.ts'
import { NOTICES } from '../notifications/notice.ts'

const variable = z
  .string()
  .regex(/^[A-Z][A-Z0-9_]{0,63}$/, 'the name of an environment variable, such as COALMINE_HOOK_SECRET')

/** One who is told of what happens to rollouts. Secrets are in the environment, or in files that it names. */
export const receiver = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'a short name of small letters, digits and -'),
    url: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('Where notifications are posted to.'),
    urlEnv: variable.optional().describe('Instead of url, where the address is a secret (Slack).'),
    format: z.enum(FORMATS).default('json'),
    secretEnv: variable.optional().describe('Signs each notification as Standard Webhooks have it.'),
    events: z
      .array(z.enum(NOTICES))
      .min(1)
      .default([...NOTICES])
      .describe('Only these.'),
    models: z.array(modelName).min(1).optional().describe('Only these; all unless said.'),
  })
  .refine(({ url, urlEnv }) => (url === undefined) !== (urlEnv === undefined), 'one of url and urlEnv')
  .refine(
    ({ format, secretEnv }) => format !== 'slack' || secretEnv === undefined,
    'no secretEnv: Slack checks no signature',
  )

export type WrittenReceiver = z.output<typeof receiver>
