import { parseArgs } from 'node:util'
import { startToxicServer } from './server.ts'

/** toxiproxy's own port. */
const PORT = '8474'

const { values } = parseArgs({
  options: { port: { type: 'string', default: PORT }, seed: { type: 'string', default: '1' } },
})
const server = await startToxicServer({ port: Number(values.port), seed: values.seed })
process.stdout.write(`${JSON.stringify({ origin: server.origin, seed: values.seed })}\n`)
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void server.close().then(() => process.exit(0)))
