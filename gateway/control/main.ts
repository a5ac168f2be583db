import { Server as TlsServer } from 'node:tls'
import { log, logWritten } from '@coalmine/contract/log.ts'
import { tracingSettings } from '@coalmine/contract/tracing/settings.ts'
import { sharesOf } from '@coalmine/core/rollout/rollout.ts'
import { isGuarded } from '../config/access.ts'
import { isLoopback } from '../config/address.ts'
import { readIdKeys } from '../config/id-keys.ts'
import { loadConfig } from '../config/load-config.ts'
import { policiesFolder, readSource } from '../config/read-config.ts'
import { type ConfigNews, watchConfig } from '../config/watch.ts'
import { onCrash } from '../crash.ts'
import { closeServer, httpServer, listen } from '../http-server.ts'
import type { ControlRequest, DownMessage, FatalMessage, SupervisorReport, UpMessage } from '../messages.ts'
import { Announcer } from '../notifications/announcer.ts'
import { refusedNotice } from '../notifications/notice.ts'
import { receiversOf } from '../notifications/receivers.ts'
import { stateFolderOf } from '../state-folder.ts'
import { openStore } from '../store/open-store.ts'
import { explain } from '../supervisor/ports.ts'
import { readCertificate, watchCertificate } from '../tls/certificate.ts'
import { Guard } from './admin/access.ts'
import { adminApp } from './admin/app.ts'
import { Charts } from './charts.ts'
import { ConfigStanding } from './config-standing.ts'
import { Control } from './control.ts'
import { driftAlertsOf, driftOf } from './drift/drift-watch.ts'
import { FleetCounts } from './fleet-counts.ts'
import { metricsApp, OwnMetrics } from './metrics-app.ts'
import { RecentTraffic } from './recent-traffic.ts'

/** The control process: store, configuration, health checks, admin API, metrics. Predictions never wait for it. */

const OBSERVE_MS = 1_000
const FIXED_AT_START = ['listen', 'tls', 'processes', 'store', 'modelsFolder', 'notifications'] as const
/** What waits to be told is sent within this at the end; what is left, at the next start. */
const NOTIFIED_MS = 2_000

const send = (message: DownMessage | ControlRequest) => {
  // The callback takes the error of a supervisor that is gone; the end comes by `disconnect`.
  if (process.connected) process.send?.(message, () => {})
}
onCrash()
const file = process.env.COALMINE_CONFIG!
const source = await orFatal(() => readSource(file, process.env))
const config = await orFatal(() => loadConfig(source.file, source.text, source.env, source.policies))
const idKeys = await orFatal(() => readIdKeys(process.env))
// What it says is for the data processes; a fault in it is everybody's.
await orFatal(() => tracingSettings(process.env))
const store = await orFatal(() => openStore(config.store))
const fleet = new FleetCounts()
const traffic = new RecentTraffic()
const control = new Control({ config, store, stateFolder: stateFolderOf(config), traffic, idKeys, send })
const receivers = await orFatal(async () => receiversOf(config.notifications, process.env))
const announcer = new Announcer(store, receivers)
const charts = new Charts()
const drift = driftOf(control)
const driftAlerts = driftAlertsOf(control, drift)
const configuration = new ConfigStanding(control.nowMs())
const own = new OwnMetrics(configuration)
const { admin: adminTls } = config.tls
const guard = new Guard(config.access.admin)

process.on('message', (message: SupervisorReport | UpMessage) => {
  switch (message.kind) {
    case 'worker':
      return control.workerReported(message)
    case 'unclean':
      return control.rollouts.unclean(message.count)
    case 'endpoint':
      return control.endpointFailed(message)
    case 'delta':
      return control.rollouts.accept(message)
    case 'labels':
      return control.rollouts.acceptLabels(message)
    case 'pairs':
      return control.rollouts.acceptPairs(message)
    case 'tripped':
      return void control.rollouts.tripped(message)
    case 'metrics':
      if (fleet.update(message.incarnation, message.snapshot, performance.now())) traffic.beginAnew()
      return
  }
})
process.on('disconnect', () => void stop())
// A signal to the whole group is the supervisor's to handle: it says when to end.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {})

const certificate = adminTls && (await orFatal(() => readCertificate(adminTls, 'tls.admin')))
const servers = [
  {
    setting: 'listen.admin',
    address: config.listen.admin,
    server: httpServer(
      adminApp({
        ...{ control, traffic, charts, drift, configuration, guard },
        policiesFolder: policiesFolder(file),
      }),
      certificate,
    ),
  },
  {
    setting: 'listen.metrics',
    address: config.listen.metrics,
    server: httpServer(metricsApp({ control, fleet, traffic, drift, receivers }, own)),
  },
]
for (const { setting, address, server } of servers) {
  await listen(server, address).catch((error: NodeJS.ErrnoException) =>
    fatal(explain(setting, address, error)),
  )
}
const admin = servers[0]!.server
if (adminTls && certificate && admin instanceof TlsServer) {
  watchCertificate(adminTls, 'tls.admin', {
    last: certificate,
    onNew: (pair) => admin.setSecureContext(pair),
  })
}
await orFatal(() => announcer.start())
control.listen(() => announcer.look())
await orFatal(() => control.start())

const watching = watchConfig(source, { file, env: process.env, onNews: configChanged })

function configChanged(news: ConfigNews): void {
  if ('error' in news) {
    const problem = news.error.message
    configuration.refused(problem, control.nowMs())
    announcer.tell(refusedNotice(problem, control.nowMs()))
    log.error('the configuration changed and is refused; the settings before it stay in force', { problem })
    return
  }
  const atNextStart: string[] = FIXED_AT_START.filter(
    (setting) => JSON.stringify(news.config[setting]) !== JSON.stringify(config[setting]),
  )
  for (const setting of atNextStart)
    log.warn(`${setting} changed in the configuration; it takes effect at the next start`)
  const { admin } = news.config.access
  if (isGuarded(admin) || isLoopback(config.listen.admin.host)) guard.use(admin)
  else {
    atNextStart.push('access')
    log.warn(
      'nobody would have to say who they are, and the admin API is open to others until the next start: access stays',
    )
  }
  configuration.accepted(atNextStart, control.nowMs())
  log.info('the configuration changed and is in force')
  void control.reconfigure(news.config)
}

const observing = setInterval(() => {
  const nowMs = performance.now()
  traffic.add(fleet.total(nowMs), nowMs)
  for (const model of Object.keys(control.config.models)) observe(model)
  void drift.look()
  if (receivers.length > 0) for (const notice of driftAlerts.look()) announcer.tell(notice)
}, OBSERVE_MS)

function observe(model: string): void {
  const deployment = control.deployment(model)
  const { rollout } = deployment
  if (rollout === undefined) return
  const observed = traffic.share(model, 'canary', rollout.canary.version)
  const weight = { configured: sharesOf(rollout).weightBp, ...(observed !== undefined && { observed }) }
  charts.look(deployment, control.rollouts.measured(model), weight, control.nowMs())
}

// The supervisor may have died before `disconnect` was listened for.
if (!process.connected) void stop()

async function stop(): Promise<void> {
  clearInterval(observing)
  drift.close()
  control.close()
  // The end of a rollout is often why somebody ends the gateway: it is told before.
  await announcer.stop(NOTIFIED_MS)
  watching.close()
  await Promise.all(servers.map(({ server }) => closeServer(server, 2_000)))
  await store.close()
  await logWritten()
  process.exit(0)
}

/** What a restart would not mend ends the gateway with a sentence. */
async function orFatal<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    return fatal((error as Error).message)
  }
}

function fatal(reason: string): Promise<never> {
  return new Promise(() => {
    const message: FatalMessage = { kind: 'fatal', reason }
    if (process.connected) process.send?.(message, () => process.exit(1))
    else process.exit(1)
  })
}
