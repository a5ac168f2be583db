import { EXPLANATION_JOB, explanationPath } from '@coalmine/contract/explain.ts'
import type { Serving } from '../serving.ts'
import type { DeferredExplanations } from './deferred-explanations.ts'

/** What is answered of an explanation that was asked for earlier; `headers` beside those of every answer, flat. */
export type Told = { status: number; headers: string[]; body: Buffer | string }

/** How far an explanation is, or the explanation. */
export function tell(
  id: string,
  { manifest }: Pick<Serving, 'manifest'>,
  deferred: DeferredExplanations,
): Told {
  const found = EXPLANATION_JOB.test(id) ? deferred.find(id) : ({ kind: 'unknown' } as const)
  switch (found.kind) {
    case 'waiting':
    case 'running': {
      const { kind: state, ...progress } = found
      const body = { id, state, ...progress, model_name: manifest.name, model_version: manifest.version }
      const headers = ['location', explanationPath(manifest.name, id), 'retry-after', '1']
      return { status: 202, headers, body: JSON.stringify(body) }
    }
    case 'answered':
      return { status: found.status, headers: [], body: found.body }
    case 'forgotten':
      return refused(410, 'this explanation is not kept any more; ask for it again')
    case 'unknown':
      return refused(404, 'there is no such explanation here')
  }
}

function refused(status: number, error: string): Told {
  return { status, headers: [], body: JSON.stringify({ error }) }
}
