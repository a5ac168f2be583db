import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import type { Deployment, VersionRef } from '@coalmine/core/rollout/deployment.ts'
import type { DeploymentEvent } from '@coalmine/core/rollout/event.ts'
import type { Phase } from '@coalmine/core/rollout/phase.ts'
import type { Policy } from '@coalmine/core/rollout/policy.ts'
import type { Rollout } from '@coalmine/core/rollout/rollout.ts'
import { around } from '@coalmine/core/rollout/testing/deployments.ts'
import { inPhase } from '@coalmine/core/rollout/testing/rollouts.ts'
import { parsePolicy } from '@coalmine/policy/parse-policy.ts'
import type { AdminAccess } from '../../../config/access.ts'
import { environmentToken } from '../../../config/access-schema.ts'
import { type ConfigEnvironment, loadConfig } from '../../../config/load-config.ts'
import type { ControlRequest, DownMessage } from '../../../messages.ts'
import { MemoryStore } from '../../../store/memory.ts'
import { answering, upstream } from '../../../testing/upstream.ts'
import { Charts } from '../../charts.ts'
import { ConfigStanding } from '../../config-standing.ts'
import { Control } from '../../control.ts'
import { driftOf } from '../../drift/drift-watch.ts'
import { RecentTraffic } from '../../recent-traffic.ts'
import { Guard } from '../access.ts'
import { adminApp } from '../app.ts'

export const MODELS = fileURLToPath(new URL('../../../../models', import.meta.url))
/** Where nobody listens. */
export const NOBODY = 'http://127.0.0.1:1'

const ERRORS = '{ metric: error_rate, tolerate: 0.1pp, margin: 2pp }'
/** Policies by name: `careful` is churn's own. */
export const POLICIES = {
  careful: policyText(ERRORS),
  // Asks something else of the same versions.
  strict: policyText('{ metric: error_rate, tolerate: 0.1pp, margin: 1pp }'),
  // By training the scores of 1.2.0 are 0.43 from those of 1.0.0.
  scores: policyText('{ metric: score_distribution, distance: ks, tolerate: 0.1, margin: 0.2 }'),
  // Takes a second set of stable's workers, which nobody has here.
  latency: policyText(
    '{ metric: latency, quantiles: [p50], tolerate: { relative: 5%, atLeast: 1ms }, margin: { relative: 10%, atLeast: 2ms } }',
  ),
}

function policyText(guardrail: string): string {
  return `
steps: [{ setWeight: 5, minDuration: 1m, proof: 0.3 }, { setWeight: 25, minDuration: 1m, proof: 0.15 }, { setWeight: 50, minDuration: 1m }]
risk: { falseRollback: 1%, falsePromotion: 5% }
guardrails: [${guardrail}]
interval: 1s
progressDeadline: 48h
onInconclusive: hold
onNoTraffic: { action: hold, after: 15m }
onSampleRatioMismatch: hold
shield: true
keepPrevious: 24h
`
}

/** The policy as the gateway has it. */
export function policyNamed(name: keyof typeof POLICIES): Policy {
  const parsed = parsePolicy(name, POLICIES[name])
  if (!parsed.ok) throw new Error(parsed.problems.map(({ path, expected }) => `${path}: ${expected}`).join())
  return parsed.file.policy
}

/** A version of churn in the models folder. */
export async function versionRef(version: string): Promise<VersionRef> {
  const { digest } = await loadModelFolder(MODELS, 'churn', version)
  return { version, digest }
}

/** churn with a rollout of 1.1.0 in this phase, as a process before this one left it. */
export async function rolling(
  kind: Exclude<Phase['kind'], 'finished'>,
  policy: Policy = policyNamed('careful'),
): Promise<Deployment> {
  const rollout = await rolloutIn(kind, policy)
  return around(rollout)
}

export async function rolloutIn(
  kind: Phase['kind'],
  policy: Policy = policyNamed('careful'),
): Promise<Rollout> {
  const [stable, canary] = [await versionRef('1.0.0'), await versionRef('1.1.0')]
  const rollout = inPhase(kind, policy)
  // Its next evaluation is due at once.
  return { ...rollout, stable, canary, evaluatedMs: rollout.evaluatedMs - policy.intervalMs }
}

/** What is stored before control starts. */
export interface Stored {
  readonly deployment: Deployment
  readonly ended?: Rollout
  readonly event?: DeploymentEvent
}

interface Setup {
  /** Of churn, besides its runtime. */
  readonly fields?: string
  /** Origins by version, instead of a worker that answers for 1.0.0 and 1.2.0, and nobody for 1.1.0. */
  readonly origins?: Readonly<Record<string, string>>
  readonly stored?: Stored
  /** Nobody has to say who they are unless said. */
  readonly access?: AdminAccess
}

export interface Call {
  readonly json?: unknown
  readonly headers?: Record<string, string>
  /** Of an API that takes this admin token alone; undefined: the API of the setup. */
  readonly token?: string
}

/** The admin API over a control that serves churn from a memory store, with one upstream server. */
export async function admin({ fields = 'initial: 1.0.0', origins, stored, access }: Setup = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'coalmine-admin-'))
  const sent: (DownMessage | ControlRequest)[] = []
  // Ready, and of another make: it has no /manifest.
  const worker = await upstream((incoming, outgoing, seen) =>
    answering({}, incoming.url === '/manifest' ? 404 : 200)(incoming, outgoing, seen),
  )
  const at = { '1.0.0': worker.origin, '1.1.0': NOBODY, '1.2.0': worker.origin, ...origins }
  const addresses = Object.entries(at).map(([version, origin]) => `${version}: ['${origin}']`)
  const text = `
store: 'memory:'
modelsFolder: ${MODELS}
models:
  churn:
    ${fields}
    runtime: { static: { ${addresses.join(', ')} } }
`
  const configure = (written: string, env: ConfigEnvironment = {}) =>
    loadConfig(
      join(folder, 'config/gateway.yaml'),
      written,
      env,
      Object.entries(POLICIES).map(([name, policy]) => ({ file: `${name}.yaml`, text: policy })),
    )
  const store = new MemoryStore()
  if (stored) {
    const { deployment, ended, event } = stored
    const parent = { revision: 0, evaluation: 0 }
    await store.commit([{ parent, next: deployment, ...(ended && { ended }), ...(event && { event }) }])
  }
  const traffic = new RecentTraffic()
  const control = new Control({
    traffic,
    config: configure(text),
    store,
    stateFolder: folder,
    send: (message) => sent.push(message),
  })
  await control.start()
  const charts = new Charts()
  const drift = driftOf(control)
  const configuration = new ConfigStanding(0)
  const policiesFolder = join(folder, 'config/policies')
  const deps = { control, traffic, charts, drift, configuration, policiesFolder }
  const open = adminApp({ ...deps, guard: new Guard(access ?? guardedBy()) })
  const documented = documentedCodes((await (await get(open, '/api/openapi.json')).json()) as Described)

  async function call(method: string, path: string, { json, headers, token }: Call = {}) {
    const app = token === undefined ? open : adminApp({ ...deps, guard: new Guard(guardedBy(token)) })
    const response = await app.request(`http://localhost:8090${path}`, {
      method,
      headers: {
        host: 'localhost:8090',
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(json === undefined ? {} : { body: typeof json === 'string' ? json : JSON.stringify(json) }),
    })
    const answer = await response.text()
    // biome-ignore lint/suspicious/noExplicitAny: tests read answers as they come
    const body: any = answer.startsWith('{') ? JSON.parse(answer) : answer
    if (response.status >= 400) {
      const codes = documented(method, path, response.status)
      if (codes !== undefined && !codes.includes(body.code))
        throw new Error(`${method} ${path} answers ${response.status} ${body.code}, which is not documented`)
    }
    return { status: response.status, headers: response.headers, body }
  }

  return {
    call,
    deps,
    /** Asks a path below the model's. */
    churn: (method: string, path: string, options?: Call) =>
      call(method, `/api/v1/models/churn${path}`, options),
    /** What a change needs that must not be made blindly. */
    etag: async () => (await call('GET', '/api/v1/models/churn/rollout')).headers.get('etag')!,
    app: open,
    control,
    store,
    traffic,
    worker,
    sent,
    text,
    configure,
    async close() {
      control.close()
      await worker.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Access by one admin token, or by nobody's. */
export function guardedBy(token?: string): AdminAccess {
  return { tokens: token === undefined ? [] : [environmentToken(token)], hosts: [] }
}

function get(app: ReturnType<typeof adminApp>, path: string) {
  return app.request(`http://localhost:8090${path}`, { headers: { host: 'localhost:8090' } })
}

interface Described {
  readonly paths: Record<string, Record<string, { responses: Record<string, { description: string }> }>>
}

/** The codes that the description gives a route's status; undefined for what is no route. */
function documentedCodes({ paths }: Described) {
  const routes = Object.entries(paths).map(([path, operations]) => ({
    pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
    operations,
  }))
  return (method: string, path: string, status: number): string[] | undefined => {
    const [bare] = path.split('?')
    const operation = routes.find(({ pattern }) => pattern.test(bare!))?.operations[method.toLowerCase()]
    if (operation === undefined) return undefined
    return operation.responses[status]?.description.match(/[a-z-]+/g) ?? []
  }
}
