import './telemetry-off.ts'
import type { EncodedTensor, TensorData } from '@coalmine/contract/tensor.ts'
import { openAskedThread } from './asked-thread.ts'
import type { Engine } from './engine.ts'

export type ThreadSettings = { path: string; outputNames: readonly string[] }

/**
 * A session in a thread of its own, so that this thread stays free during an inference.
 * `onLost` is called once if the thread ends before `close`; its runs are then rejected.
 */
export async function openThread(
  settings: ThreadSettings,
  onLost: (reason: string) => void,
): Promise<Engine> {
  const { opened, ask, close } = await openAskedThread<
    Pick<Engine, 'inputs' | 'outputs'>,
    readonly EncodedTensor[],
    TensorData[]
  >({
    ...{ program: new URL('./engine-thread.ts', import.meta.url), settings, onLost },
    name: 'the inference thread',
  })
  return { ...opened, run: ask, close }
}
