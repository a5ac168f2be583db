import { fileURLToPath } from 'node:url'
import { type Child, children } from '../children.ts'
import { NoVerdict } from '../report.ts'
import type { Watched } from './watchers.ts'

export interface Audience {
  /** Ends it. @returns what it was told */
  stop(): Promise<Watched>
}

/** Consoles and a scraper in a process of their own: what they do must not delay whoever measures. */
export function startAudience(ports: { adminPort: number; metricsPort: number }, model: string): Audience {
  const program = fileURLToPath(new URL('./main.ts', import.meta.url))
  const command = [process.execPath, program, `${ports.adminPort}`, `${ports.metricsPort}`, model]
  const child: Child = children.spawn('the consoles', command, 'load')
  return {
    async stop() {
      const isAlive = child.alive()
      await child.stop()
      if (!isAlive) throw new NoVerdict(`the consoles ended too soon: ${child.output()}`)
      return JSON.parse(child.output()) as Watched
    },
  }
}
