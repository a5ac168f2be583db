/** What scripts can tell apart. */
export const EXIT = {
  done: 0,
  /** The gateway refused, or what was checked is not good. */
  refused: 1,
  /** The command line is at fault. */
  usage: 2,
  /** No gateway answered. */
  unreachable: 3,
  /** Somebody else was faster; look again. */
  stale: 4,
  /** Of `rollout watch`: how the rollout ended, or that it waits for a person. */
  rolledBack: 10,
  abandoned: 11,
  waiting: 12,
  /** Of `batch`: done, and some rows were rejected. */
  rejects: 2,
  /** Of `batch`: another try ends in the same way; what Kubernetes' FailIndex is told by. */
  permanent: 42,
} as const

/** Ends a command with a sentence for people and a code for scripts. */
export class CommandError extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode: number = EXIT.refused) {
    super(message)
    this.exitCode = exitCode
  }
}
