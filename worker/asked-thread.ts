import { parentPort, Worker } from 'node:worker_threads'

type Question<Q> = { id: number; question: Q }
/** Of the thread: that it is open, or why it is not; then what becomes of each question. */
type Word<Opened, A> =
  | { kind: 'open'; opened: Opened }
  | { kind: 'not-open'; message: string }
  | { kind: 'answered'; id: number; answer: A }
  | { kind: 'failed'; id: number; message: string }

/** A thread that is open and answers questions, however many are asked at once. */
export interface AskedThread<Opened, Q, A> {
  /** What it said of itself. */
  readonly opened: Opened
  /** Rejects with the thread's own reason, or that it has ended. */
  ask(question: Q): Promise<A>
  close(): Promise<void>
}

export interface ThreadPlan {
  /** The program, which calls `answerQuestions`. */
  readonly program: URL
  readonly settings: unknown
  /** As in `the inference thread`. */
  readonly name: string
  /** Called once if the thread ends before `close`; its questions are then rejected. */
  readonly onLost: (reason: string) => void
}

/** Rejects where the thread does not open. */
export function openAskedThread<Opened, Q, A>(plan: ThreadPlan): Promise<AskedThread<Opened, Q, A>> {
  const { program, settings, name, onLost } = plan
  return new Promise((resolve, reject) => {
    const thread = new Worker(program, { workerData: settings })
    const waiting = new Map<number, { resolve: (answer: A) => void; reject: (error: Error) => void }>()
    let nextId = 0
    let state: 'opening' | 'open' | 'ended' = 'opening'

    // Questions are copied, not transferred: whoever asks may ask again with the same arrays.
    const ask = (question: Q) =>
      new Promise<A>((resolve, reject) => {
        if (state === 'ended') return reject(new Error(`${name} has ended`))
        const id = nextId++
        waiting.set(id, { resolve, reject })
        thread.postMessage({ id, question } satisfies Question<Q>)
      })
    const close = async () => {
      state = 'ended'
      await thread.terminate()
    }
    const end = (reason: string) => {
      if (state === 'ended') return
      const wasOpen = state === 'open'
      state = 'ended'
      for (const each of waiting.values()) each.reject(new Error(reason))
      waiting.clear()
      if (wasOpen) onLost(reason)
      else reject(new Error(reason))
    }

    thread.on('message', (word: Word<Opened, A>) => {
      switch (word.kind) {
        case 'open':
          state = 'open'
          return resolve({ opened: word.opened, ask, close })
        case 'not-open':
          end(word.message)
          return void thread.terminate()
        case 'answered':
          waiting.get(word.id)?.resolve(word.answer)
          return waiting.delete(word.id)
        case 'failed':
          waiting.get(word.id)?.reject(new Error(word.message))
          return waiting.delete(word.id)
      }
    })
    thread.on('error', (error) => end(`${name} failed: ${error}`))
    thread.on('exit', (code) => end(`${name} ended with code ${code}`))
  })
}

/** Whoever answers in a thread; `buffersOf`: what of an answer is moved and not copied. */
export interface Answerer<Opened, Q, A> {
  readonly opened: Opened
  answer(question: Q): Promise<A>
  buffersOf?(answer: A): ArrayBuffer[]
}

/** The thread's side: opens, says so, and answers. */
export async function answerQuestions<Opened, Q, A>(
  open: () => Promise<Answerer<Opened, Q, A>>,
): Promise<void> {
  const port = parentPort!
  const say = (word: Word<Opened, A>, moved: ArrayBuffer[] = []) => port.postMessage(word, moved)
  try {
    const answerer = await open()
    port.on('message', async ({ id, question }: Question<Q>) => {
      try {
        const answer = await answerer.answer(question)
        say({ kind: 'answered', id, answer }, answerer.buffersOf?.(answer))
      } catch (error) {
        say({ kind: 'failed', id, message: String(error) })
      }
    })
    say({ kind: 'open', opened: answerer.opened })
  } catch (error) {
    say({ kind: 'not-open', message: error instanceof Error ? error.message : String(error) })
  }
}
