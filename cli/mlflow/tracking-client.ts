import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { CommandError, EXIT } from '../exit-code.ts'

/** Nothing that comes from the server is believed to be short. */
const JSON_BYTES_MAX = 16 * 1024 * 1024
/** For the head of an answer, and between two pieces of it. */
const SILENCE_MS = 30_000

/** A file that was fetched. */
export interface Fetched {
  readonly bytes: number
  readonly sha256: string
}

type Json = Record<string, unknown>

/** The REST API of an MLflow tracking server, as far as an import needs it. Credentials come from the environment alone. */
export class TrackingClient {
  readonly #base: string
  readonly #headers: Record<string, string>

  constructor(uri: string | undefined, env: NodeJS.ProcessEnv) {
    this.#base = checked(uri ?? env.MLFLOW_TRACKING_URI)
    const {
      MLFLOW_TRACKING_TOKEN: token,
      MLFLOW_TRACKING_USERNAME: user,
      MLFLOW_TRACKING_PASSWORD: password,
    } = env
    const basic = Buffer.from(`${user ?? ''}:${password ?? ''}`).toString('base64')
    this.#headers = token
      ? { authorization: `Bearer ${token}` }
      : user || password
        ? { authorization: `Basic ${basic}` }
        : {}
  }

  /** One call of the REST API 2.0; undefined where the server says that there is no such thing. */
  async call(path: string, query: Record<string, string>): Promise<Json | undefined> {
    const response = await this.#get(`/api/2.0/mlflow/${path}`, query)
    if (response.status === 404) return undefined
    if (!response.ok) return this.#missing(path, response)
    const { text } = await limited(response, JSON_BYTES_MAX, path)
    try {
      return JSON.parse(text) as Json
    } catch {
      throw new CommandError(`MLflow's ${path}: expected JSON, found ${text.slice(0, 80)}`)
    }
  }

  /** A small file of a registered version; undefined where there is none. */
  async text(name: string, version: string, path: string, bytesMax: number): Promise<string | undefined> {
    const response = await this.#artifact(name, version, path)
    return response && (await limited(response, bytesMax, path)).text
  }

  /** A file of a registered version onto the disk; undefined where there is none. */
  async file(
    name: string,
    version: string,
    path: string,
    { target, bytesMax }: { target: string; bytesMax: number },
  ): Promise<Fetched | undefined> {
    const response = await this.#artifact(name, version, path)
    if (response === undefined) return undefined
    const hash = createHash('sha256')
    let bytes = 0
    await pipeline(
      pieces(response, path),
      async function* (source: AsyncIterable<Uint8Array>) {
        for await (const piece of source) {
          bytes += piece.length
          if (bytes > bytesMax) throw tooLarge(path, bytesMax)
          hash.update(piece)
          yield piece
        }
      },
      createWriteStream(target, { flags: 'wx', flush: true }),
    )
    const expected = response.headers.get('content-length')
    if (expected !== null && response.headers.get('content-encoding') === null && Number(expected) !== bytes)
      throw new CommandError(`${path}: expected ${expected} bytes, found ${bytes}: the download broke off`)
    return { bytes, sha256: hash.digest('hex') }
  }

  /** Sets a tag of a registered version. Throws a CommandError where the server does not take it. */
  async tag(name: string, version: string, key: string, value: string): Promise<void> {
    const path = 'model-versions/set-tag'
    const response = await this.#send(`/api/2.0/mlflow/${path}`, {
      method: 'POST',
      headers: { ...this.#headers, 'content-type': 'application/json' },
      body: JSON.stringify({ name, version, key, value }),
    })
    if (response.ok) return void (await response.body?.cancel())
    await this.#missing(path, response)
    throw new CommandError(`MLflow has no version ${version} of '${name}' to tag`)
  }

  async #artifact(name: string, version: string, path: string): Promise<Response | undefined> {
    const response = await this.#get('/model-versions/get-artifact', { name, version, path })
    if (response.ok) return response
    const { text } = await limited(response, JSON_BYTES_MAX, path)
    // Stores of files say 404, some servers 500 with the error of the store.
    if (response.status === 404 || /No such|not exist|not found|RESOURCE_DOES_NOT_EXIST/i.test(text))
      return undefined
    throw new CommandError(`MLflow gives ${response.status} for ${path}: ${text.slice(0, 200)}`)
  }

  #get(path: string, query: Record<string, string>): Promise<Response> {
    return this.#send(`${path}?${new URLSearchParams(query)}`, { headers: this.#headers })
  }

  async #send(path: string, request: RequestInit): Promise<Response> {
    try {
      return await fetch(`${this.#base}${path}`, {
        ...request,
        // Credentials go to the server that was named, and nowhere else.
        redirect: 'error',
        signal: AbortSignal.timeout(SILENCE_MS),
      })
    } catch (error) {
      const { cause, message } = error as Error & { cause?: { code?: string; message?: string } }
      throw new CommandError(
        `MLflow does not answer (${cause?.code ?? cause?.message ?? message}): is the tracking URI right?`,
        EXIT.unreachable,
      )
    }
  }

  /** An alias that there is not is an argument at fault to MLflow (400). */
  async #missing(path: string, response: Response): Promise<undefined> {
    const { text } = await limited(response, JSON_BYTES_MAX, path)
    if (response.status === 400 && /not found/i.test(text)) return undefined
    if (response.status === 401 || response.status === 403)
      throw new CommandError(
        `MLflow refuses (${response.status}): set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD`,
      )
    throw new CommandError(`MLflow gives ${response.status} for ${path}: ${text.slice(0, 200)}`)
  }
}

function checked(uri: string | undefined): string {
  if (!uri)
    throw new CommandError('expected --tracking-uri or MLFLOW_TRACKING_URI, found neither', EXIT.usage)
  const url = URL.canParse(uri) ? new URL(uri) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new CommandError(
      `the tracking URI is one of HTTP, such as http://127.0.0.1:5000, not ${uri}`,
      EXIT.usage,
    )
  if (url.username !== '' || url.password !== '')
    throw new CommandError('a tracking URI holds no credentials: use MLFLOW_TRACKING_TOKEN', EXIT.usage)
  return uri.replace(/\/+$/, '')
}

async function limited(response: Response, bytesMax: number, path: string): Promise<{ text: string }> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const piece of pieces(response, path)) {
    bytes += piece.length
    if (bytes > bytesMax) throw tooLarge(path, bytesMax)
    parts.push(piece)
  }
  return { text: Buffer.concat(parts).toString('utf8') }
}

async function* pieces(response: Response, path: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of response.body ?? []) yield piece
  } catch (error) {
    throw new CommandError(`${path}: the download broke off (${(error as Error).message})`)
  }
}

function tooLarge(path: string, bytesMax: number): CommandError {
  return new CommandError(`${path}: expected at most ${Math.round(bytesMax / 1024 / 1024)} MiB, found more`)
}
