import { randomUUID } from 'node:crypto'
import { CommandError, EXIT } from './exit-code.ts'
import { whyOf } from './rollout-text.ts'
import type { DecisionRow, Problem } from './views.ts'

export interface Gateway {
  /** Of the admin API, such as http://127.0.0.1:8090. */
  readonly url: string
  readonly token: string | undefined
}

export interface Read<View> {
  readonly view: View
  /** The revision in quotes, where the answer has one. */
  readonly etag: string | undefined
}

/** A refusal of the admin API: its sentence, and its code for those who act on it. */
export class Refused extends CommandError {
  readonly problem: Problem

  constructor(problem: Problem, message = problem.detail) {
    super(message, problem.code === 'revision-stale' ? EXIT.stale : EXIT.refused)
    this.problem = problem
  }
}

/** The admin API of one gateway. Every failure is a CommandError whose message says what would work. */
export class AdminClient {
  readonly #gateway: Gateway

  constructor(gateway: Gateway) {
    this.#gateway = gateway
  }

  async read<View>(path: string): Promise<Read<View>> {
    const response = await this.#send(path, { method: 'GET' })
    return { view: (await response.json()) as View, etag: response.headers.get('etag') ?? undefined }
  }

  /** @param etag what the change was decided on; without it the API decides whether it may be made blindly */
  async change<View>(method: 'POST' | 'PUT', path: string, body: unknown, etag?: string): Promise<View> {
    const response = await this.#send(path, {
      method,
      headers: {
        'content-type': 'application/json',
        'idempotency-key': randomUUID(),
        ...(etag === undefined ? {} : { 'if-match': etag }),
      },
      body: JSON.stringify(body),
    })
    return (await response.json()) as View
  }

  /** A change over the rollout as it is now; when somebody else was faster the refusal says who and what. */
  async changeRollout<View>(
    model: string,
    method: 'POST' | 'PUT',
    path: string,
    body: unknown,
  ): Promise<View> {
    const { etag } = await this.read(`${modelPath(model)}/rollout`)
    try {
      return await this.change<View>(method, `${modelPath(model)}/${path}`, body, etag)
    } catch (error) {
      if (!(error instanceof Refused) || error.problem.code !== 'revision-stale') throw error
      const { view } = await this.read<{ decisions: DecisionRow[] }>(`${modelPath(model)}/decisions?limit=1`)
      const [last] = view.decisions
      throw new Refused(
        error.problem,
        last === undefined
          ? error.message
          : `${last.actor} was faster: ${last.kind} at ${last.at} (${whyOf(last)}); look again and decide anew`,
      )
    }
  }

  /** The events after one, as they come; ends or fails with its connection. */
  async events(query: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const { body } = await this.#send(`/api/v1/events?${query}`, { signal })
    return body!
  }

  async #send(path: string, init: RequestInit): Promise<Response> {
    const { url, token } = this.#gateway
    const headers = new Headers(init.headers)
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`)
    let response: Response
    try {
      response = await fetch(`${url}${path}`, { ...init, headers, redirect: 'error' })
    } catch (error) {
      const { code } = ((error as Error).cause ?? {}) as { code?: string }
      throw new CommandError(
        `no gateway answers at ${url} (${code ?? (error as Error).message}); is it running, and is COALMINE_URL its admin address?`,
        EXIT.unreachable,
      )
    }
    if (response.ok) return response
    throw await refusalOf(response, url)
  }
}

export function modelPath(model: string): string {
  return `/api/v1/models/${encodeURIComponent(model)}`
}

async function refusalOf(response: Response, url: string): Promise<CommandError> {
  const text = await response.text()
  if (!/^application\/problem\+json/.test(response.headers.get('content-type') ?? ''))
    return new CommandError(
      `${url} answered ${response.status}, and not as the admin API of Coalmine does; is COALMINE_URL its admin address?`,
      EXIT.unreachable,
    )
  const problem = JSON.parse(text) as Problem
  if (problem.code === 'unauthorized')
    return new Refused(
      problem,
      `${problem.detail}; put the token into COALMINE_TOKEN or name its file with --token-file`,
    )
  const reasons = problem.reasons?.map((reason) => `\n  - ${reason}`).join('') ?? ''
  return new Refused(problem, `${asOptions(problem)}${reasons}`)
}

/** What the API asks to be said in a body, as the option that says it here. */
function asOptions({ code, detail }: Problem): string {
  const said = detail.replaceAll(
    /say "(\w+)": true/g,
    (_, name: string) => `say --${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
  )
  return code === 'rollout-running' || code === 'split-running' ? `${said}: --supersede` : said
}
