/** Header fields as RFC 9112 has them and no more loosely, for requests and answers alike. Pure. */

export const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** A content length. */
export const DIGITS = /^\d{1,15}$/
/** Characters that have no place in a head, and line ends that are not CR LF. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
export const FOREIGN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?:^|[^\r])\n/
const TAB = 0x09

/** Names in lower case, in the order they came; `values[i]` belongs to `names[i]`. */
export interface HeaderFields {
  names: string[]
  values: string[]
}

/**
 * @param text a head without the empty line at its end, Latin-1, without what is FOREIGN
 * @param from where the first field begins
 * @returns what is wrong with them in words; 'too many' above `max`
 */
export function headerFields(text: string, from: number, max: number): HeaderFields | string {
  const names: string[] = []
  const values: string[] = []
  for (let at = from; at < text.length; ) {
    let end = text.indexOf('\r\n', at)
    if (end < 0) end = text.length
    const colon = text.indexOf(':', at)
    if (colon < 0 || colon > end) return 'a header without a colon'
    const name = text.slice(at, colon)
    if (!TOKEN.test(name)) return 'a header name that is not a word'
    if (names.length >= max) return 'too many'
    const lower = name.toLowerCase()
    // Some parsers take the tab for a part of the value, and so another length or coding for the body's.
    if (text.charCodeAt(end - 1) === TAB && (lower === 'transfer-encoding' || lower === 'content-length'))
      return `a tab after ${lower}`
    names.push(lower)
    values.push(trimmed(text, colon + 1, end))
    at = end + 2
  }
  return { names, values }
}

/** @param name in lower case  @returns the first of this name */
export function headerField({ names, values }: HeaderFields, name: string): string | undefined {
  const at = names.indexOf(name)
  return at < 0 ? undefined : values[at]
}

/** Whether a list of tokens, as of `connection`, has this one. @param value in lower case */
export function lists(value: string, token: string): boolean {
  return value !== '' && value.split(',').some((one) => one.trim() === token)
}

function trimmed(text: string, from: number, to: number): string {
  let first = from
  let last = to
  while (first < last && isBlank(text.charCodeAt(first))) first++
  while (last > first && isBlank(text.charCodeAt(last - 1))) last--
  return text.slice(first, last)
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === TAB
}
