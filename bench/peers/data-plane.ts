import { fileURLToPath } from 'node:url'
import { loadModelFolder } from '@coalmine/contract/model-folder.ts'
import { KNOTS } from '@coalmine/core/evidence/mean-difference.ts'
import { probabilities, thresholds } from '@coalmine/core/routing/draw.ts'
import { DataPlane } from '@coalmine/gateway/data/data-plane.ts'
import { dataServer } from '@coalmine/gateway/data/data-server.ts'
import { DEFAULT_OVERLOAD } from '@coalmine/gateway/data/overload.ts'
import { listenHttp1 } from '@coalmine/gateway/http1/listen.ts'
import { DEFAULT_LISTENER } from '@coalmine/gateway/http1/settings.ts'
import type { Trial } from '@coalmine/gateway/messages.ts'
import { DEFAULT_RESILIENCE } from '../../gateway/resilience.ts'

/**
 * One data process of the gateway as it is, but for its supervisor: it listens itself, is told its table once and has
 * nobody to report to. The canary gets 5 %; with a rollout the baseline gets as much, and first attempts are recorded.
 * OTHERS are rollouts of so many models beside it.
 *
 *     node data-plane.ts PORT STABLE_ORIGIN CANARY_ORIGIN split|rollout [OTHERS]
 */
const [port, stable, canary, mode, others = '0'] = process.argv.slice(2)
const MODEL = 'churn'
const WEIGHT_BP = 500
const FLUSH_MS = 200
const SCORE_BINS = 64

const trial: Trial = {
  recording: 'bench',
  shape: { horizonMs: 1000, deadlineMs: 5000, scores: SCORE_BINS, knots: KNOTS, classes: 2 },
  scoreEdges: Array.from({ length: SCORE_BINS - 1 }, (_, i) => (i + 1) / SCORE_BINS),
  scoreRange: [0, 1],
  firstAttemptMs: 5000,
  reserveMs: 50,
  shield: true,
  mirrorBp: 0,
}

const versions = await Promise.all(
  ['1.0.0', '1.1.0'].map(async (version) => {
    const models = fileURLToPath(new URL('../../models', import.meta.url))
    const { manifest } = await loadModelFolder(models, MODEL, version)
    return { version, digest: `sha256:${manifest.sha256}`, manifest }
  }),
)
const otherModels = Array.from({ length: Number(others) }, (_, i) => `other-${i}`)
// A delta is made into text on its way to the supervisor.
const plane = new DataPlane({ report: (message) => void JSON.stringify(message) })
plane.apply({
  kind: 'models',
  models: [MODEL, ...otherModels],
  idKeys: [{ id: 1, secret: Buffer.alloc(32, 1).toString('base64') }],
  epochOffsetMs: 0,
  listener: DEFAULT_LISTENER,
  overload: DEFAULT_OVERLOAD,
})
const endpoint = { healthy: true, own: false }
const confirmOne = (model: string, rollout: boolean) => {
  const edges = thresholds(WEIGHT_BP, rollout ? WEIGHT_BP : 0)
  plane.apply({
    kind: 'table',
    model,
    table: {
      ...{ model, serial: 1, revision: 1, salt: `${model}/1`, counting: true },
      ...{ stable: '1.0.0', canary: '1.1.0', weightBp: WEIGHT_BP },
      baselineBp: rollout ? WEIGHT_BP : 0,
      ...edges,
      stratum: probabilities(edges),
    },
    versions,
    endpoints: [
      { ...endpoint, id: 'stable', version: '1.0.0', origin: stable! },
      { ...endpoint, id: 'baseline', version: '1.0.0', arm: 'baseline', origin: stable! },
      { ...endpoint, id: 'canary', version: '1.1.0', origin: canary! },
    ],
    limits: { timeoutMs: 10_000, bodyBytes: 1024 * 1024, instances: 1024, jsonDepth: 32, jsonKeys: 10_000 },
    resilience: DEFAULT_RESILIENCE,
    ...(rollout && { trial }),
  })
}
const confirm = () => {
  confirmOne(MODEL, mode === 'rollout')
  for (const model of otherModels) confirmOne(model, true)
}
confirm()
setInterval(confirm, 5_000)
setInterval(() => plane.flush(), FLUSH_MS)
await listenHttp1(dataServer(plane), { host: '127.0.0.1', port: Number(port) })
