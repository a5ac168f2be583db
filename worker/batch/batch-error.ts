/**
 * Why a job cannot go on. `permanent`: another try with the same model, input and flags ends in the same way, so whatever
 * runs the job should not try again.
 */
export class BatchError extends Error {
  override name = 'BatchError'
  readonly permanent: boolean

  constructor(message: string, { permanent = false }: { permanent?: boolean } = {}) {
    super(message)
    this.permanent = permanent
  }
}

/** The same command line and the same files will never do. */
export function permanent(message: string): BatchError {
  return new BatchError(message, { permanent: true })
}
