import { mkdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { capitalPicture } from './pictures/capital.ts'
import { guardrailPicture } from './pictures/guardrail.ts'
import { methodsPicture } from './pictures/methods.ts'
import { sizesPicture } from './pictures/sizes.ts'

const FOLDER = fileURLToPath(new URL('../../docs/pictures/', import.meta.url))

const PICTURES: Readonly<Record<string, (seed: string) => string>> = {
  'capital.svg': capitalPicture,
  'methods.svg': methodsPicture,
  'guardrail.svg': guardrailPicture,
  'sizes.svg': sizesPicture,
}

/** Draws the pictures of docs/how-decisions-work.md from runs of the real evidence; equal seeds, equal files. */
export async function drawPictures(seed: string): Promise<void> {
  await mkdir(FOLDER, { recursive: true })
  for (const [name, picture] of Object.entries(PICTURES)) await writeFile(`${FOLDER}${name}`, picture(seed))
}
