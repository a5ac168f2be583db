export interface JsonFault {
  line: number
  column: number
  what: string
}

/** Where and why a text is not JSON. JSON.parse names no position for short texts. */
export function locateJsonFault(text: string): JsonFault {
  const { at, what } = firstFault(text)
  const before = text.slice(0, at)
  const line = before.split('\n').length
  return { line, column: at - before.lastIndexOf('\n'), what }
}

const SCALAR = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON strings are defined by excluding them
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y
const SPACE = /[ \t\n\r]*/y

type Expecting = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or }' | ', or ]' | 'end'

function firstFault(text: string): { at: number; what: string } {
  const open: ('{' | '[')[] = []
  let expecting: Expecting = 'value'
  let at = 0
  const afterValue = (): Expecting => (open.length === 0 ? 'end' : open.at(-1) === '{' ? ', or }' : ', or ]')
  for (;;) {
    at = matchEnd(SPACE, text, at)
    const character = text[at]
    if (character === undefined || expecting === 'end') return { at, what: unexpected(text, at, expecting) }
    let next: Expecting | undefined
    if (expecting.startsWith('value')) {
      if (character === '{' || character === '[') {
        open.push(character)
        next = character === '{' ? 'key or }' : 'value or ]'
        at++
      } else if (character === ']' && expecting === 'value or ]') {
        open.pop()
        next = afterValue()
        at++
      } else {
        const end = matchEnd(character === '"' ? STRING : SCALAR, text, at)
        if (end > at) next = afterValue()
        at = Math.max(end, at)
      }
    } else if (expecting.startsWith('key')) {
      if (character === '}' && expecting === 'key or }') {
        open.pop()
        next = afterValue()
        at++
      } else if (character === '"') {
        const end = matchEnd(STRING, text, at)
        if (end > at) next = ':'
        at = Math.max(end, at)
      }
    } else if (expecting === ':') {
      if (character === ':') {
        next = 'value'
        at++
      }
    } else if (character === ',') {
      next = expecting === ', or }' ? 'key' : 'value'
      at++
    } else if (character === (expecting === ', or }' ? '}' : ']')) {
      open.pop()
      next = afterValue()
      at++
    }
    if (next === undefined) return { at, what: unexpected(text, at, expecting) }
    expecting = next
  }
}

/** Where a sticky match that begins at `at` ends; `at` itself when there is none. */
function matchEnd(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : at
}

function unexpected(text: string, at: number, expecting: Expecting): string {
  const character = text.codePointAt(at)
  const wanted = expecting === 'end' ? 'the end' : expecting
  if (character === undefined) return `expected ${wanted}, but the text ends`
  if (character === 0x22) return 'a string that does not end, or has a bad escape or a control character'
  return `expected ${wanted}, got ${JSON.stringify(String.fromCodePoint(character))}`
}
