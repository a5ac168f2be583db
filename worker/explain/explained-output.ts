import type { Space } from '@coalmine/contract/explain.ts'
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

/** How far the probabilities of all classes may be from 1 together; they are float32. */
const WHOLE_GAP_MAX = 1e-3

/**
 * Whether the numbers of an output are probabilities: its score is said to be from 0 to 1, or those of each row of `usual`,
 * which are answers to usual records, are what remains of 1.
 */
export function spaceOf(
  { score }: Pick<Manifest, 'score'>,
  usual: TensorData,
  { elements }: Pick<ExplainedOutput, 'elements'>,
): Space {
  if (score !== undefined) return score.range[0] === 0 && score.range[1] === 1 ? 'probability' : 'output'
  if (elements === 1) return 'output'
  for (let first = 0; first < usual.length; first += elements) {
    const row = Array.from({ length: elements }, (_, i) => Number(usual[first + i]))
    const whole = row.reduce((sum, each) => sum + each, 0)
    if (row.some((each) => !(each >= 0)) || !(Math.abs(whole - 1) <= WHOLE_GAP_MAX)) return 'output'
  }
  return 'probability'
}
