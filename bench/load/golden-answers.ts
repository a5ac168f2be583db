import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compareOutputs, parseGolden } from '@coalmine/contract/golden.ts'
import type { ModelFolder } from '@coalmine/contract/model-folder.ts'
import { NoVerdict } from '../report.ts'

/** Asks a peer for the first golden records of a model. Throws NoVerdict when an answer is not theirs. */
export async function assertGoldenAnswers(
  peer: string,
  url: string,
  { path, manifest }: ModelFolder,
): Promise<void> {
  const file = join(path, manifest.golden!)
  const golden = parseGolden(await readFile(file, 'utf8'), file).slice(0, 64)
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ instances: golden.map(({ record }) => record) }),
  })
  const text = await answer.text()
  if (answer.status !== 200)
    throw new NoVerdict(`${peer} answered a golden record with ${answer.status}: ${text}`)
  const { predictions } = JSON.parse(text) as { predictions: Record<string, unknown>[] }
  for (const [i, { outputs }] of golden.entries()) {
    const difference = compareOutputs(manifest.outputs, outputs, predictions[i] ?? {})
    if (difference)
      throw new NoVerdict(
        `${peer} answers golden record ${i} of ${file} wrongly: ${JSON.stringify(difference)}`,
      )
  }
}

/** Asks a peer for a record that breaks the contract. Throws NoVerdict unless it is refused with 422. */
export async function assertRefuses(peer: string, url: string): Promise<void> {
  const body = JSON.stringify({ instances: [{}] })
  const { status } = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  if (status !== 422)
    throw new NoVerdict(`${peer} answers a record without its fields with ${status}, not 422`)
}
