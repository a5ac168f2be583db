import { type FSWatcher, watch } from 'node:fs'
import { dirname } from 'node:path'
import type { GatewayConfig } from './gateway-config.ts'
import { ConfigError, loadConfig } from './load-config.ts'
import { type ConfigSource, readSource } from './read-config.ts'

export type ConfigNews = { readonly config: GatewayConfig } | { readonly error: ConfigError }

export interface WatchOptions {
  readonly file: string
  readonly env: NodeJS.ProcessEnv
  readonly onNews: (news: ConfigNews) => void
  /** A document counts as complete when two looks, this far apart, read the same. */
  readonly settleMs?: number
  /** Looks without a notification: mounts that send none. */
  readonly pollMs?: number
}

export interface ConfigWatch {
  close(): void
}

/**
 * Tells of every new content of the configuration, once, valid or not; a content that is as it was at the
 * start is no news. It watches the folder, since editors rename a new file into place and Kubernetes swaps a
 * symbolic link: neither touches the file that was there.
 *
 * @param loaded what the caller runs with, so that nothing between its reading and the start is lost
 */
export function watchConfig(loaded: ConfigSource, options: WatchOptions): ConfigWatch {
  const { file, env, onNews, settleMs = 100, pollMs = 5_000 } = options
  let told = signature(loaded)
  let seen = told
  let watcher: FSWatcher | undefined
  let timer: NodeJS.Timeout | undefined
  let soon = false
  let closed = false

  async function look(): Promise<void> {
    soon = false
    const source = await readSource(file, env).catch((error: ConfigError) => error)
    if (closed) return
    const now = signature(source)
    const settled = now === seen
    seen = now
    if (settled && now !== told) {
      told = now
      onNews(newsOf(source))
    }
    // A folder that was replaced is watched no longer, and says nothing about it.
    if (source instanceof ConfigError) unfollow()
    follow()
    lookIn(settled && !soon ? pollMs : settleMs)
  }

  function lookIn(ms: number): void {
    clearTimeout(timer)
    if (!closed) timer = setTimeout(() => void look(), ms).unref()
  }

  /** The first notification counts: a folder that never rests must not put the look off for ever. */
  function notified(): void {
    if (soon) return
    soon = true
    lookIn(settleMs)
  }

  function follow(): void {
    if (watcher || closed) return
    try {
      watcher = watch(dirname(file), { persistent: false }, notified)
      watcher.on('error', unfollow)
    } catch {
      // No folder, or no notifications here: the poll finds what comes.
      unfollow()
    }
  }

  function unfollow(): void {
    watcher?.close()
    watcher = undefined
  }

  follow()
  void look()
  return {
    close() {
      closed = true
      clearTimeout(timer)
      unfollow()
    },
  }
}

function newsOf(source: ConfigSource | ConfigError): ConfigNews {
  if (source instanceof ConfigError) return { error: source }
  try {
    return { config: loadConfig(source.file, source.text, source.env) }
  } catch (error) {
    if (error instanceof ConfigError) return { error }
    throw error
  }
}

function signature(source: ConfigSource | ConfigError): string {
  if (source instanceof ConfigError) return source.message
  return JSON.stringify([source.text, source.env.COALMINE_ADMIN_TOKEN])
}
