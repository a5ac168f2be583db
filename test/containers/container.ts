import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { join } from 'node:path'
import type { ImageFolder } from './image-folder.ts'

/** A start command that runs on the host, in the folder of its image. */
export interface Container {
  /** Whatever it printed so far. */
  output(): string
  /** Runs the image's HEALTHCHECK beside it. @returns its exit code */
  healthcheck(): Promise<number>
  /** @returns the exit code, once it ends by itself */
  exited(): Promise<number | null>
  /** @returns the exit code after SIGTERM */
  stop(): Promise<number | null>
}

/**
 * Starts an image's CMD as an engine would: with the image's environment and nothing of ours, in its working
 * directory, and as its user where the test may choose one (as root). Absolute paths begin at the image's folder.
 */
export function startContainer(image: ImageFolder, env: Record<string, string>): Container {
  const options = {
    cwd: join(image.root, image.workdir),
    env: { ...inside(image.root, { ...image.env, ...env }), PATH: image.path, HOME: '/nonexistent' },
    ...(process.getuid?.() === 0 && user(image)),
  }
  const start = ([program, ...args]: readonly string[]) =>
    spawn(program!, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })

  const child: ChildProcess = start(image.command)
  let output = ''
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  // close: its pipes are read to the end, so output() has all of it.
  const exited = once(child, 'close').then(([code]) => code as number | null)
  return {
    output: () => output,
    healthcheck: async () => (await once(start(image.healthcheck), 'exit'))[0],
    exited: () => exited,
    stop: () => {
      child.kill('SIGTERM')
      return exited
    },
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function user(image: ImageFolder): { uid: number; gid: number } {
  const [uid, gid] = image.user.split(':').map(Number)
  return { uid: uid!, gid: gid! }
}

function inside(root: string, env: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name, value.replace(/^(sqlite:)?\//, `$1${root}/`)]),
  )
}
