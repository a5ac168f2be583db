import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DASHBOARDS } from './dashboards.ts'
import { grafanaOf } from './panel.ts'

/** `node deploy/grafana/write.ts`: the dashboards as Grafana reads them. */
for (const dashboard of DASHBOARDS) {
  const file = join(import.meta.dirname, 'dashboards', `${dashboard.uid}.json`)
  writeFileSync(file, `${JSON.stringify(grafanaOf(dashboard), undefined, 2)}\n`)
}
