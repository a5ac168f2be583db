import { emptyDeployment } from '@coalmine/core/rollout/deployment.ts'
import { applyIntent, type Intent } from '@coalmine/core/rollout/intent.ts'
import { SqliteStore } from './sqlite.ts'

/**
 * A process for the tests to kill: commits one weight after the other to the file in argv[2], going on from
 * what is stored, and writes each revision on standard output once it is committed.
 */
const store = new SqliteStore(process.argv[2]!)
let deployment = (await store.read('churn')) ?? emptyDeployment('churn')

for (;;) {
  const outcome = applyIntent(deployment, nextIntent(), {
    actor: 'test',
    reason: 'again',
    nowMs: 0,
    frozen: false,
  })
  if (outcome.kind === 'refused') throw new Error(outcome.message)
  if ((await store.commit(outcome.next, outcome.event)) === 'stale') throw new Error('nobody else commits')
  deployment = outcome.next
  process.stdout.write(`${deployment.revision}\n`)
}

function nextIntent(): Intent {
  if (!deployment.stable) return { kind: 'initialise', stable: { version: '1.0.0', digest: 'sha256:1' } }
  const weightBp = deployment.revision % 10_000
  if (deployment.split) return { kind: 'set-weight', weightBp }
  return { kind: 'start-split', canary: { version: '1.1.0', digest: 'sha256:2' }, weightBp }
}
