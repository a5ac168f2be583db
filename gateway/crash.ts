import { log, logWritten } from '@coalmine/contract/log.ts'

/**
 * What nobody caught, rejections included, is logged and ends the process with 1: its state can no longer be believed.
 * @param wayOut what is done before; its process ends at once when something is uncaught again meanwhile
 */
export function onCrash(wayOut: () => Promise<void> = async () => {}): void {
  let crashed = false
  process.on('uncaughtException', (error, origin) => {
    log.error('crashed', { origin, error: String(error), stack: error?.stack })
    if (crashed) process.exit(1)
    crashed = true
    void wayOut()
      .then(logWritten)
      .finally(() => process.exit(1))
  })
}
