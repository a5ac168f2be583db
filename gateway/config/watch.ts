import { type FSWatcher, watch } from 'node:fs'
import { dirname } from 'node:path'
import type { GatewayConfig } from './gateway-config.ts'
import { ConfigError, loadConfig } from './load-config.ts'
import { type ConfigSource, policiesFolder, readSource } from './read-config.ts'

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
 * start is no news. It watches the folder and that of the policies, since editors rename a new file into place and
 * Kubernetes swaps a symbolic link: neither touches the file that was there.
 *
 * @param loaded what the caller runs with, so that nothing between its reading and the start is lost
 */
export function watchConfig(loaded: ConfigSource, options: WatchOptions): ConfigWatch {
  const { file, env, onNews, settleMs = 100, pollMs = 5_000 } = options
  let told = signature(loaded)
  let seen = told
  const folders = [dirname(file), policiesFolder(file)]
  const watchers = new Map<string, FSWatcher>()
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
    const isSuspect = !settled || source instanceof ConfigError
    if (isSuspect) unfollow()
    // A folder that has just appeared may have got its files before it was watched.
    const hasAppeared = follow() && !isSuspect
    lookIn(settled && !soon && !hasAppeared ? pollMs : settleMs)
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

  /** Whether a folder is watched that was not before. */
  function follow(): boolean {
    let isNew = false
    for (const folder of folders) {
      if (watchers.has(folder)) continue
      try {
        const watcher = watch(folder, { persistent: false }, notified)
        watcher.on('error', unfollow)
        watchers.set(folder, watcher)
        isNew = true
      } catch {
        // No folder, or no notifications here: the poll finds what comes.
      }
    }
    return isNew
  }

  function unfollow(): void {
    for (const watcher of watchers.values()) watcher.close()
    watchers.clear()
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
    return { config: loadConfig(source.file, source.text, source.env, source.policies) }
  } catch (error) {
    if (error instanceof ConfigError) return { error }
    throw error
  }
}

function signature(source: ConfigSource | ConfigError): string {
  if (source instanceof ConfigError) return source.message
  return JSON.stringify([source.text, source.policies, source.env.COALMINE_ADMIN_TOKEN])
}
