import { log } from '@coalmine/contract/log.ts'
import { Hono } from 'hono'
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Control } from './control.ts'
import { type ArmWeight, type EndpointHealth, exposition, type FleetCounts } from './metrics.ts'
import type { ObservedWeights } from './observed-weight.ts'

export interface MetricsDeps {
  control: Control
  fleet: FleetCounts
  observed: ObservedWeights
}

/** Metrics of control itself, beside those that the data processes count. */
export class OwnMetrics {
  readonly registry = new Registry()
  readonly #reloadOk = new Gauge({
    name: 'coalmine_config_reload_success',
    help: '1 while the configuration file as it is now is in force, 0 while it is refused.',
    registers: [this.registry],
  })

  constructor() {
    collectDefaultMetrics({ register: this.registry, prefix: 'coalmine_control_' })
    this.#reloadOk.set(1)
  }

  reloaded(ok: boolean): void {
    this.#reloadOk.set(ok ? 1 : 0)
  }
}

export function metricsApp({ control, fleet, observed }: MetricsDeps, own: OwnMetrics): Hono {
  const app = new Hono()
  app.get('/metrics', async (c) => {
    const text = await exposition(
      fleet.total(performance.now()),
      weights(control, observed),
      health(control),
      own.registry,
    )
    return c.body(text, 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
  })
  app.get('/livez', (c) => c.json({ live: true }))
  app.notFound((c) => c.json({ error: `there is nothing at ${c.req.path}; see /metrics` }, 404))
  app.onError((error, c) => {
    log.error('metrics could not be rendered', { error: error.message })
    return c.json({ error: 'unexpected error' }, 500)
  })
  return app
}

function weights(control: Control, observed: ObservedWeights): ArmWeight[] {
  return Object.keys(control.config.models).flatMap((model) => {
    const { stable, split } = control.deployment(model)
    if (!stable) return []
    const of = (arm: string, version: string, configured: number): ArmWeight => {
      const share = observed.share(model, arm, version)
      return { model, version, arm, configured, ...(share === undefined ? {} : { observed: share }) }
    }
    const canary = (split?.weightBp ?? 0) / 10_000
    return [
      of('stable', stable.version, 1 - canary),
      ...(split ? [of('canary', split.canary.version, canary)] : []),
    ]
  })
}

function health(control: Control): EndpointHealth[] {
  return Object.keys(control.config.models).flatMap((model) =>
    [...Map.groupBy(control.endpoints(model), (endpoint) => endpoint.version)].map(([version, endpoints]) => {
      const healthy = endpoints.filter((endpoint) => endpoint.healthy).length
      return { model, version, healthy, unhealthy: endpoints.length - healthy }
    }),
  )
}
