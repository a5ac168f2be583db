import '../telemetry-off.ts'
import type { ExplainMode } from '@coalmine/contract/explain.ts'
import { openAskedThread } from '../asked-thread.ts'
import type { Attribution, Explanation } from './attribution.ts'
import type { ExplainerSettings, ModelRecord } from './explainer.ts'

/** `mode`: otherwise than in the version's own way, and behind everything else that the process does. */
export type ThreadSettings = ExplainerSettings & { mode?: ExplainMode | undefined }

/** An explainer with a session of its own in a thread of its own: predictions never wait for an explanation. */
export interface ThreadExplainer {
  readonly explanation: Explanation
  explain(records: readonly ModelRecord[]): Promise<Attribution[]>
  close(): Promise<void>
}

/** Rejects with the reasons where the version cannot be explained. `onLost` is called if the thread ends before `close`. */
export async function openThreadExplainer(
  settings: ThreadSettings,
  onLost: (reason: string) => void,
): Promise<ThreadExplainer> {
  const { opened, ask, close } = await openAskedThread<Explanation, readonly ModelRecord[], Attribution[]>({
    ...{ program: new URL('./explain-thread.ts', import.meta.url), settings, onLost },
    name: 'the thread of explanations',
  })
  return { explanation: opened, explain: ask, close }
}
