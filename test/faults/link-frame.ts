import { HEADER_BYTES } from '@coalmine/contract/link/frame.ts'
import type { Answer } from './forward.ts'

/** Ways to break a call of the link: its frame, or the answer that it comes in. */
export const FRAME_FORMS = [
  'sequence',
  'rows',
  'truncated',
  'longer',
  'magic',
  'version',
  'offset',
  'status',
  'outcome',
  'row-missing',
  'json',
  'empty',
] as const
export type FrameForm = (typeof FRAME_FORMS)[number]

/** A worker's answer to a call with one thing wrong, and its HTTP still right. */
export function breakFrame(answer: Answer, form: FrameForm): Answer {
  const frame = Buffer.from(answer.body)
  switch (form) {
    case 'sequence':
      frame.writeUInt32LE(frame.readUInt32LE(12) ^ 1, 12)
      break
    case 'rows':
      frame.writeUInt16LE(frame.readUInt16LE(6) + 1, 6)
      break
    case 'truncated':
      return withBody(answer, frame.subarray(0, frame.length >>> 1))
    case 'longer':
      return withBody(answer, Buffer.concat([frame, frame]))
    case 'magic':
      frame[0]! ^= 0xff
      break
    case 'version':
      frame[4] = 9
      break
    case 'offset':
      frame.writeUInt32LE(frame.readUInt32LE(HEADER_BYTES) + 1, HEADER_BYTES)
      break
    case 'status':
      frame.writeUInt16LE(999, HEADER_BYTES + 12)
      break
    case 'outcome':
      frame[HEADER_BYTES + 14] = 77
      break
    case 'row-missing':
      frame.writeUInt16LE(0, 6)
      break
    case 'json':
      return withBody(answer, Buffer.from('{"predictions":[{"label":"stay"}]}'))
    case 'empty':
      return withBody(answer, Buffer.alloc(0))
  }
  return withBody(answer, frame)
}

function withBody(answer: Answer, body: Buffer): Answer {
  const headers = [...answer.headers]
  for (let i = 0; i < headers.length; i += 2)
    if (headers[i]!.toLowerCase() === 'content-length') headers[i + 1] = `${body.length}`
  return { ...answer, headers, body }
}
