import { emptyDeployment } from '@coalmine/core/rollout/deployment.ts'
import { SqliteStore } from './sqlite.ts'
import { nextCommit } from './testing/commit-course.ts'

/**
 * A process for the tests to kill: commits ticks and decisions to the file in argv[2], one after the other, going on
 * from what is stored, and writes revision and evaluation on standard output once they are committed.
 */
const store = new SqliteStore(process.argv[2]!)
let deployment = (await store.read('churn')) ?? emptyDeployment('churn')

for (;;) {
  const commit = nextCommit(deployment)
  const [outcome] = await store.commit([commit])
  if (outcome !== 'committed') throw new Error('nobody else commits')
  deployment = commit.next
  process.stdout.write(`${deployment.revision} ${deployment.rollout?.evaluation ?? 0}\n`)
}
