import { elementsPerRow, type Manifest } from '@coalmine/contract/manifest.ts'
import type { TensorData } from '@coalmine/contract/tensor.ts'

/** The number that is explained: which of the outputs, and where in its row. */
export type ExplainedOutput = {
  name: string
  /** Among the manifest's outputs. */
  position: number
  elements: number
  /** Flat index into a row of the output; `data` are those of a run. */
  indexOf(data: TensorData, row: number): number
}

/**
 * The version's score, which is what is compared and acted on; without one the largest value of its first float
 * output, which for a classifier is the class that it predicts. Throws an Error for a version that answers no floats.
 */
export function explainedOutput({ outputs, score }: Manifest): ExplainedOutput {
  const position = outputs.findIndex(({ name, type }) =>
    score === undefined ? type === 'float32' || type === 'float64' : name === score.output,
  )
  const output = outputs[position]
  if (output === undefined) throw new Error('no output is a float: there is no number to explain')
  const elements = elementsPerRow(output)
  return {
    name: output.name,
    position,
    elements,
    indexOf(data, row) {
      if (score !== undefined) return score.index ?? 0
      let best = 0
      for (let i = 1; i < elements; i++)
        if (data[row * elements + i]! > data[row * elements + best]!) best = i
      return best
    },
  }
}
