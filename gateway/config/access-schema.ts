import { createHash } from 'node:crypto'
import { modelName } from '@coalmine/contract/names.ts'
import { text, written } from '@coalmine/contract/written.ts'
import { z } from 'zod'
import { ROLES } from '../control/admin/role.ts'
import type { Access, AdminToken } from './access.ts'
import { isLoopback } from './address.ts'

/** What the record names people with; the gateway's own words there are no names of anybody. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$/
const RESERVED = ['operator', 'admin', 'config', 'gateway', 'controller']

const name = written(
  `a name of letters, digits and . _ @ - that is none of ${RESERVED.join(', ')}`,
  text((value) => (NAME.test(value) && !RESERVED.includes(value) ? value : undefined)),
  { type: 'string', pattern: NAME.source },
)

/** Never echoed: what stands here may be the secret itself by mistake. */
const hash = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'the SHA-256 of a token: 64 hexadecimal digits in lower case (not shown)')
  .describe('SHA-256 of the secret: printf %s "$TOKEN" | sha256sum')

const hashes = z
  .union([hash, z.array(hash).min(1).max(8)])
  .transform((value) => (typeof value === 'string' ? [value] : value))
  .describe('One, or several while a secret is being replaced.')

const role = z.enum(ROLES)

const token = z.strictObject({
  role: role.describe('viewer reads; operator acts on rollouts; admin does everything.'),
  sha256: hashes,
  expires: written(
    'a time such as 2027-01-31T00:00:00Z',
    text((value) => (z.iso.datetime().safeParse(value).success ? Date.parse(value) : undefined)),
    { type: 'string', format: 'date-time', description: 'From then on it is refused.' },
  ).optional(),
})

/** Tokens and keys travel from there: in clear text only within this machine. */
const url = written(
  'an https address (http for this machine alone)',
  text((value) => {
    if (!URL.canParse(value)) return undefined
    const { protocol, hostname, username, password } = new URL(value)
    const isSafe =
      protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname.replace(/^\[|\]$/g, '')))
    return isSafe && username === '' && password === '' ? value : undefined
  }),
  { type: 'string', format: 'uri' },
)

const groups = z.array(z.string().min(1)).default([])

const oidc = z.strictObject({
  issuer: url.describe('As the tokens name it in `iss`.'),
  audience: z.string().min(1).describe('What the tokens have to be meant for, in `aud`.'),
  jwks: url.optional().describe("Where the issuer's keys are; found by discovery unless said."),
  name: z.string().min(1).default('sub').describe('The claim that the record names people by.'),
  claim: z
    .string()
    .min(1)
    .default('roles')
    .describe('The claim with the roles: a word or a list; dots lead into objects (realm_access.roles).'),
  roles: z
    .strictObject({ viewer: groups, operator: groups, admin: groups })
    .refine(
      (roles) => Object.values(roles).some((list) => list.length > 0),
      'a value of the claim for at least one of viewer, operator, admin',
    )
    .describe('Values of the claim by the role that they give; the highest counts.'),
})

const client = z
  .strictObject({
    sha256: hashes,
    models: z.array(modelName).min(1).optional().describe('The only ones that it may ask; all unless said.'),
    rate: z
      .number()
      .min(0.01)
      .max(1_000_000)
      .optional()
      .describe('Requests a second on average; unlimited unless said.'),
    burst: z
      .int()
      .min(1)
      .max(1_000_000)
      .optional()
      .describe('Requests at once; as many as rate (at least 1) unless said.'),
  })
  .refine(({ rate, burst }) => rate !== undefined || burst === undefined, {
    path: ['burst'],
    message: 'a rate beside it',
  })

const host = written(
  'the name of a host such as admin.example.com, without a port',
  text((value) =>
    /^[A-Za-z0-9.-]{1,253}$|^\[[0-9A-Fa-f:.]+\]$/.test(value) ? value.toLowerCase() : undefined,
  ),
  { type: 'string' },
)

/** `access:`. Hashes alone stand in the file: no secret does. */
export const access = z
  .strictObject({
    tokens: z.record(name, token).default({}).describe('Of the admin API, by the name that the record gets.'),
    oidc: oidc.optional().describe('Whose tokens the admin API takes besides.'),
    hosts: z
      .array(host)
      .default([])
      .describe('Names that the admin API is reached by; with tokens or oidc any unless said.'),
    clients: z
      .record(name, client)
      .optional()
      .describe('Who may ask for predictions, by name; anybody while this is left out.'),
  })
  .superRefine(({ tokens, clients = {} }, context) => {
    if (context.issues.length > 0) return
    for (const [group, named] of Object.entries({ tokens, clients })) {
      const seen = new Map<string, string>()
      for (const [name, { sha256 }] of Object.entries(named))
        for (const hash of sha256) {
          const other = seen.get(hash)
          if (other !== undefined)
            context.addIssue({
              code: 'custom',
              path: [group, name, 'sha256'],
              message: `another secret than ${other} has (not shown)`,
            })
          seen.set(hash, name)
        }
    }
  })
  .transform(
    ({ tokens, oidc, hosts, clients }): Access => ({
      admin: {
        tokens: Object.entries(tokens).flatMap(([name, { role, sha256, expires }]) =>
          sha256.map(
            (hash): AdminToken => ({
              name,
              role,
              sha256: hash,
              ...(expires !== undefined && { expiresMs: expires }),
            }),
          ),
        ),
        hosts,
        ...(oidc && {
          oidc: {
            ...{ issuer: oidc.issuer, audience: oidc.audience, name: oidc.name, claim: oidc.claim },
            ...{ roles: oidc.roles },
            ...(oidc.jwks !== undefined && { jwks: oidc.jwks }),
          },
        }),
      },
      ...(clients && {
        clients: Object.entries(clients).map(([name, { sha256, models, rate, burst }]) => ({
          name,
          sha256,
          ...(models && { models }),
          ...(rate !== undefined && {
            rate: { perSecond: rate, burst: burst ?? Math.max(1, Math.ceil(rate)) },
          }),
        })),
      }),
    }),
  )

/** The token of the environment, which has every right. */
export function environmentToken(token: string): AdminToken {
  return { name: 'admin', role: 'admin', sha256: createHash('sha256').update(token).digest('hex') }
}
