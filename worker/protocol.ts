import { parseInferRequest } from '@coalmine/contract/infer-request.ts'
import { ID_PLACEHOLDER } from '@coalmine/contract/internal-headers.ts'
import { parseExactJson, parseJson } from '@coalmine/contract/json.ts'
import { elementsPerRow } from '@coalmine/contract/manifest.ts'
import { parsePredict } from '@coalmine/contract/predict.ts'
import { type EncodedTensor, oipDatatype, type TensorData } from '@coalmine/contract/tensor.ts'
import type { ModelRecord } from './batcher.ts'
import { writeFlat } from './json-rows.ts'
import type { Route } from './metrics.ts'
import { idsPerRow, type Serving } from './serving.ts'

/** What a request asks for, checked. */
export type Asked = {
  rows: number
  records: readonly ModelRecord[] | undefined
  tensors: readonly EncodedTensor[] | undefined
  /** The client's own id in the body, and the outputs it wants; V2 alone has them. */
  id: string | undefined
  outputs: readonly string[] | undefined
}

/** What an answer is written from. `idOffsets` receives where placeholders begin, in UTF-16 units. */
export type Written = {
  asked: Asked
  /** Who says the request's id, which not every answer has. */
  question: { readonly requestId: string }
  /** -1: no prediction ids. */
  pick: number
  outputs: readonly TensorData[]
  firstRow: number
  idOffsets: number[]
}

/** One wire protocol: how a body is read, how an answer is written. */
export type Protocol = {
  route: Exclude<Route, 'v1_explain'>
  /** Throws ContractError. */
  read(body: Buffer, serving: Serving): Asked
  /** Throws NotFiniteError. */
  write(written: Written, serving: Serving): string
}

const ID_OPEN = '"prediction_id":"'

/** KServe's and TensorFlow Serving's V1: a list of records. */
export const V1: Protocol = {
  route: 'v1_predict',
  read(body, { manifest, instancesMax, jsonLimits }) {
    const { records } = parsePredict(parseJson(body, jsonLimits), manifest, instancesMax)
    return { rows: records.length, records, tensors: undefined, id: undefined, outputs: undefined }
  },
  write({ asked: { rows }, pick, outputs, firstRow, idOffsets }, { writeRow, predictTail }) {
    const ids = idsPerRow(pick, rows)
    let text = '{"predictions":['
    for (let row = 0; row < rows; row++) {
      text += row === 0 ? '{' : ',{'
      if (ids) {
        text += ID_OPEN
        idOffsets.push(text.length)
        text += `${ID_PLACEHOLDER}",`
      }
      text += `${writeRow(outputs, firstRow + row)}}`
    }
    return text + predictTail
  },
}

/** The Open Inference Protocol, V2: tensors as JSON. */
export const V2: Protocol = {
  route: 'v2_infer',
  read(body, { manifest, instancesMax, jsonLimits }) {
    const json = parseExactJson(body, jsonLimits)
    const { rows, tensors, outputs, id } = parseInferRequest(json, manifest, instancesMax)
    return { rows, records: undefined, tensors, id, outputs }
  },
  write({ asked, question, pick, outputs, firstRow, idOffsets }, { manifest, inferParameters }) {
    const { rows } = asked
    let text = `{"model_name":${JSON.stringify(manifest.name)},"model_version":${JSON.stringify(manifest.version)}`
    text += `,"id":${JSON.stringify(asked.id ?? question.requestId)},"parameters":{`
    if (pick >= 0) {
      text += ID_OPEN
      idOffsets.push(text.length)
      text += `${ID_PLACEHOLDER}",`
    }
    text += `${inferParameters}},"outputs":[`
    asked.outputs!.forEach((name, position) => {
      const index = manifest.outputs.findIndex((output) => output.name === name)
      const output = manifest.outputs[index]!
      const elements = elementsPerRow(output)
      const shape = [rows, ...(output.shape ?? [])]
      text += `${position === 0 ? '' : ','}{"name":${JSON.stringify(name)},"datatype":"${oipDatatype(output.type)}"`
      text += `,"shape":[${shape}],"data":`
      text += `${writeFlat(output.type, outputs[index]!, firstRow * elements, rows * elements)}}`
    })
    return `${text}]}`
  },
}
