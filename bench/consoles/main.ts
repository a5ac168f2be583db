import { watch } from './watchers.ts'

/** Watches until it is ended, and prints what it was told: `main.ts ADMIN_PORT METRICS_PORT MODEL`. */

const [adminPort, metricsPort, model] = process.argv.slice(2)
const over = new AbortController()
process.once('SIGTERM', () => over.abort())
const watched = await watch(
  { adminPort: Number(adminPort), metricsPort: Number(metricsPort), model: model! },
  over.signal,
)
process.stdout.write(JSON.stringify(watched))
