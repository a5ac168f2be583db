import { log } from '@coalmine/contract/log.ts'
import { routingTable } from '@coalmine/core/routing/table.ts'
import { Hono } from 'hono'
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { Receiver } from '../notifications/receiver.ts'
import type { ConfigStanding } from './config-standing.ts'
import type { Control } from './control.ts'
import type { DriftWatch } from './drift/drift-watch.ts'
import type { FleetCounts } from './fleet-counts.ts'
import {
  type ArmWeight,
  clientMetrics,
  type EndpointHealth,
  exposition,
  fleetMetrics,
  healthMetrics,
  type IntakeLosses,
  lossMetrics,
  weightMetrics,
} from './metrics.ts'
import { DecisionCounts } from './metrics-decisions.ts'
import { driftMetrics } from './metrics-drift.ts'
import { endpointMetrics } from './metrics-endpoints.ts'
import { explainMetrics } from './metrics-explain.ts'
import { counter, histogram, type MetricFamily } from './metrics-family.ts'
import { feedbackMetrics, type RolloutLabels } from './metrics-feedback.ts'
import { mirrorMetrics } from './metrics-mirror.ts'
import { processMetrics } from './metrics-processes.ts'
import { type RunningRollout, rolloutMetrics, runningRollout } from './metrics-rollouts.ts'
import type { RecentTraffic } from './recent-traffic.ts'

export interface MetricsDeps {
  control: Control
  fleet: FleetCounts
  traffic: RecentTraffic
  drift: DriftWatch
  receivers: readonly Receiver[]
}

/** Metrics of control itself, beside those that the data processes count. */
export class OwnMetrics {
  readonly registry = new Registry()

  constructor(configuration: ConfigStanding) {
    new Gauge({
      name: 'coalmine_config_reload_success',
      help: '1 while the configuration file as it is now is in force, 0 while it is refused.',
      registers: [this.registry],
      collect() {
        this.set(configuration.now.problem === undefined ? 1 : 0)
      },
    })
    collectDefaultMetrics({ register: this.registry, prefix: 'coalmine_control_' })
    // Gauges whose names end as only a counter's may; those without the ending, by type, add up to the same.
    for (const kind of ['handles', 'requests', 'resources'])
      this.registry.removeSingleMetric(`coalmine_control_nodejs_active_${kind}_total`)
  }
}

export function metricsApp(
  { control, fleet, traffic, drift, receivers }: MetricsDeps,
  own: OwnMetrics,
): Hono {
  const app = new Hono()
  const decisions = new DecisionCounts()
  control.listen((event) => decisions.add(event))
  app.get('/metrics', async (c) => {
    const counted = fleet.total(performance.now())
    const models = Object.keys(control.config.models)
    const text = await exposition(
      [
        ...fleetMetrics(counted),
        ...clientMetrics(counted),
        ...weightMetrics(weights(control, traffic)),
        ...healthMetrics(health(control)),
        ...endpointMetrics(counted),
        ...explainMetrics(counted),
        ...mirrorMetrics(counted),
        ...driftMetrics(
          models.map((model) => ({
            model,
            books: drift.books(model),
            manifest: (version) => control.catalog.version(model, version)?.manifest,
          })),
        ),
        ...processMetrics(counted),
        ...rolloutMetrics(running(control)),
        ...decisions.metrics(models),
        ...feedbackMetrics(counted, rolloutLabels(control)),
        ...lossMetrics(counted, intakes(control)),
        ...turnMetrics(control),
        notificationMetrics(receivers),
      ],
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

function weights(control: Control, traffic: RecentTraffic): ArmWeight[] {
  return Object.keys(control.config.models).flatMap((model) => {
    // What a canary should get, also while it is given nothing.
    const table = routingTable(control.deployment(model))
    if (table === undefined) return []
    const { stable, canary, weightBp, baselineBp } = table
    const of = (arm: string, version: string, configuredBp: number): ArmWeight => {
      const share = traffic.share(model, arm, version)
      const configured = configuredBp / 10_000
      return { model, version, arm, configured, ...(share === undefined ? {} : { observed: share }) }
    }
    return [
      of('stable', stable, 10_000 - weightBp - baselineBp),
      ...(baselineBp > 0 ? [of('baseline', stable, baselineBp)] : []),
      ...(canary === undefined ? [] : [of('canary', canary, weightBp)]),
    ]
  })
}

function running(control: Control): RunningRollout[] {
  return Object.keys(control.config.models).flatMap((model) => {
    const { rollout } = control.deployment(model)
    return rollout ? [runningRollout(rollout, control.rollouts.measured(model), control.nowMs())] : []
  })
}

function intakes(control: Control): IntakeLosses[] {
  return Object.keys(control.config.models).flatMap((model) => {
    const intake = control.rollouts.intake(model)
    return intake ? [{ model, late: intake.dropped, givenUp: intake.givenUp }] : []
  })
}

function rolloutLabels({ config, rollouts }: Control): RolloutLabels[] {
  return Object.keys(config.models).flatMap((model) => {
    const truth = rollouts.groundTruth(model)
    return truth ? [{ model, results: truth.results }] : []
  })
}

function turnMetrics({ rollouts: { turnSeconds, failedTurns } }: Control): MetricFamily[] {
  return [
    histogram('coalmine_rollout_tick_seconds', 'Time of a turn of the controller, its commit included.', [
      { ...turnSeconds, labels: {} },
    ]),
    counter(
      'coalmine_rollout_tick_failures_total',
      'Turns of the controller that could not be finished, as the store failed. Predictions go on.',
      [{ value: failedTurns, labels: {} }],
    ),
  ]
}

function health(control: Control): EndpointHealth[] {
  return Object.keys(control.config.models).flatMap((model) =>
    [...Map.groupBy(control.endpoints(model), (endpoint) => endpoint.version)].map(([version, endpoints]) => {
      const healthy = endpoints.filter((endpoint) => endpoint.healthy).length
      return { model, version, healthy, unhealthy: endpoints.length - healthy }
    }),
  )
}

function notificationMetrics(receivers: readonly Receiver[]): MetricFamily {
  return counter(
    'coalmine_notifications_total',
    'Notifications by what became of them: taken, tried once more, given up.',
    receivers.flatMap(({ name, counts }) =>
      Object.entries(counts).map(([outcome, value]) => ({ value, labels: { receiver: name, outcome } })),
    ),
  )
}
